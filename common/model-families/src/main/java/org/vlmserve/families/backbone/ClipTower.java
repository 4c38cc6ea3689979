package org.vlmserve.families.backbone;

import java.util.List;
import org.vlmserve.families.checkpoint.CheckpointJson;

/**
 * A CLIP vision tower (arXiv:2103.00020). An omitted key has the default of transformers' {@code CLIPVisionConfig} (5.18).
 *
 * @param imageSize side of the square picture in pixels
 * @param hiddenAct {@code quick_gelu} or {@code gelu}, the erf form
 */
public record ClipTower(
        int width,
        int intermediate,
        int layers,
        int heads,
        int imageSize,
        int patchSize,
        double layerNormEps,
        String hiddenAct) {

    private static final String MODEL_TYPE = "clip_vision_model";

    /** CLIP ViT-L/14 at 336 pixels, which stands for a {@code vision_config} that is missing as a whole. */
    private static final ClipTower LARGE_336 = new ClipTower(1024, 4096, 24, 16, 336, 14, 1e-5, "quick_gelu");

    /** The {@code vision_config} of a checkpoint that has its tower in it. */
    public static ClipTower nested(CheckpointJson config) {
        return config.has("vision_config") ? read(config.object("vision_config")) : LARGE_336;
    }

    /** @param vision a vision configuration itself */
    public static ClipTower read(CheckpointJson vision) {
        if (!vision.string("model_type", MODEL_TYPE).equals(MODEL_TYPE)) {
            throw vision.unsupported("model_type", MODEL_TYPE);
        }
        int width = vision.positiveInt("hidden_size", 768);
        int heads = vision.positiveInt("num_attention_heads", 12);
        if (width % heads != 0) {
            throw vision.unreadable("num_attention_heads", "a divisor of hidden_size, " + width);
        }
        if (vision.positiveInt("num_channels", 3) != 3) {
            throw vision.unsupported("num_channels", "3");
        }
        String hiddenAct = vision.string("hidden_act", "quick_gelu");
        if (!List.of("quick_gelu", "gelu").contains(hiddenAct)) {
            throw vision.unsupported("hidden_act", "quick_gelu, gelu");
        }
        int imageSize = vision.positiveInt("image_size", 224);
        int patchSize = vision.positiveInt("patch_size", 32);
        if (imageSize % patchSize != 0) {
            throw vision.unsupported("image_size", "a multiple of patch_size, " + patchSize);
        }
        return new ClipTower(
                width,
                vision.positiveInt("intermediate_size", 3072),
                vision.layers("num_hidden_layers", 12),
                heads,
                imageSize,
                patchSize,
                vision.doubleValue("layer_norm_eps", 1e-5),
                hiddenAct);
    }

    /** Patches along one side. */
    public int side() {
        return imageSize / patchSize;
    }
}
