package org.vlmserve.families.paligemma;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.bundle.BundleSections;
import org.vlmserve.families.checkpoint.AddedToken;
import org.vlmserve.families.checkpoint.CheckpointConfig;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.GenerationDefaults;
import org.vlmserve.families.checkpoint.PictureProcessor;
import org.vlmserve.families.checkpoint.TokenizerFiles;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.protocol.tensor.DType;
import tools.jackson.databind.JsonNode;

/**
 * What the JSON files of a PaliGemma checkpoint say, of either generation. An omitted key has the default of transformers'
 * class (5.18, {@code configuration_paligemma.py}, {@code configuration_gemma.py}, {@code configuration_gemma2.py},
 * {@code configuration_siglip.py}).
 *
 * @param tokenizer what becomes the bundle's tokenizer.json
 */
public record PaliGemmaConfig(
        Vision vision,
        Text text,
        PaliGemmaPreprocessing preprocessing,
        PaliGemmaPrompt prompt,
        BundleManifest.Generation generation,
        TokenizerFiles tokenizer) {

    /** {@code model_type} of the checkpoints that this reads. */
    public static final String MODEL_TYPE = "paligemma";

    private static final String GEMMA = "gemma";
    private static final String GEMMA2 = "gemma2";
    private static final String TANH = "gelu_pytorch_tanh";
    private static final List<String> ACTIVATIONS = List.of(TANH, "gelu");
    private static final List<Double> HALVES = List.of(0.5, 0.5, 0.5);
    private static final List<AddedToken> PROCESSORS_TOKENS = processorsTokens();

    /**
     * The SigLIP vision tower.
     *
     * @param imageSize side of the square picture in pixels
     * @param hiddenAct {@code gelu_pytorch_tanh} or {@code gelu}, the erf form
     */
    public record Vision(
            int width,
            int intermediate,
            int layers,
            int heads,
            int imageSize,
            int patchSize,
            double layerNormEps,
            String hiddenAct) {}

    /**
     * The Gemma or Gemma 2 decoder.
     *
     * @param attentionScale what attention's scores are multiplied by
     * @param attentionSoftcap c of their bound c · tanh(s / c), 0 for none
     * @param windows for each layer how many last positions a token of the answer sees, itself among them; 0 for all
     * @param sandwichNorms whether what attention and MLP give is normalised too
     * @param hiddenAct {@code gelu_pytorch_tanh} or {@code gelu}, the erf form
     * @param tied whether output layer and embedding table are one where the checkpoint has only one of them
     */
    public record Text(
            int hidden,
            int intermediate,
            int layers,
            int heads,
            int kvHeads,
            int headDim,
            int vocabulary,
            int contextLength,
            double rmsNormEps,
            double ropeTheta,
            double attentionScale,
            double attentionSoftcap,
            List<Integer> windows,
            boolean sandwichNorms,
            String hiddenAct,
            boolean tied) {

        /** What a text's embeddings are multiplied by; a buffer of float32 in the reference. */
        public float embeddingScale() {
            return (float) Math.sqrt(hidden);
        }
    }

    /**
     * @param checkpoint a directory with {@code config.json} and its companions
     * @param warnings is told of what is not refused
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} for a file or key that is missing or malformed,
     *     {@code CHECKPOINT_UNSUPPORTED} for what this code does not build
     */
    public static PaliGemmaConfig read(Path checkpoint, Warnings warnings) {
        CheckpointJson config = CheckpointConfig.read(checkpoint);
        if (!MODEL_TYPE.equals(config.optionalString("model_type"))) {
            throw config.unsupported("model_type", MODEL_TYPE);
        }
        Vision vision = vision(config);
        CheckpointJson textConfig = config.object("text_config");
        Text text = text(config, textConfig);
        if (config.intValue("projection_dim", 2048) != text.hidden()) {
            throw config.unreadable("projection_dim", "the text model's hidden_size, " + text.hidden());
        }
        TokenizerFiles tokenizer =
                TokenizerFiles.read(checkpoint, config, MODEL_TYPE, text.vocabulary(), PROCESSORS_TOKENS, warnings);
        return new PaliGemmaConfig(
                vision,
                text,
                preprocessing(checkpoint, vision),
                new PaliGemmaPrompt(
                        tokenizer.addedToken(config, imageTokenKey(config), imageTokenId(config)),
                        imageTokenId(config),
                        tokenizer.special().getOrDefault("bos_token", "")),
                GenerationDefaults.read(
                        checkpoint,
                        textConfig.intOrInts("eos_token_id", config.intOrInts("eos_token_id", List.of(1))),
                        warnings),
                tokenizer);
    }

    /** The manifest's {@code encoder} section. */
    public BundleManifest.Encoder encoder() {
        return new BundleManifest.Encoder(vision.width());
    }

    /** The manifest's {@code projector} section. */
    public BundleManifest.Projector projector() {
        return new BundleManifest.Projector(1);
    }

    /** The manifest's {@code decoder} section, with the element type that the importer chose for the embeddings. */
    public BundleManifest.Decoder decoder(DType embeddingDtype) {
        return new BundleManifest.Decoder(
                text.hidden(),
                text.layers(),
                text.heads(),
                text.kvHeads(),
                text.headDim(),
                text.vocabulary(),
                text.contextLength(),
                1,
                text.vocabulary(),
                embeddingDtype,
                text.embeddingScale());
    }

    /** The manifest's {@code preprocessing} section. */
    public JsonNode preprocessingSection() {
        return BundleSections.of(preprocessing);
    }

    /** The manifest's {@code prompt} section. */
    public JsonNode promptSection() {
        return BundleSections.of(prompt);
    }

    private static Vision vision(CheckpointJson config) {
        CheckpointJson vision = config.object("vision_config");
        // Without a vision_config the class has So400m/14 at 224; within one, the tower's own defaults hold.
        boolean given = config.has("vision_config");
        if (!vision.string("model_type", "siglip_vision_model").equals("siglip_vision_model")) {
            throw vision.unsupported("model_type", "siglip_vision_model");
        }
        int width = vision.positiveInt("hidden_size", given ? 768 : 1152);
        int heads = vision.positiveInt("num_attention_heads", given ? 12 : 16);
        if (width % heads != 0) {
            throw vision.unreadable("num_attention_heads", "a divisor of hidden_size, " + width);
        }
        if (vision.positiveInt("num_channels", 3) != 3) {
            throw vision.unsupported("num_channels", "3");
        }
        int imageSize = vision.positiveInt("image_size", 224);
        int patchSize = vision.positiveInt("patch_size", given ? 16 : 14);
        if (imageSize % patchSize != 0) {
            throw vision.unsupported("image_size", "a multiple of patch_size, " + patchSize);
        }
        return new Vision(
                width,
                vision.positiveInt("intermediate_size", given ? 3072 : 4096),
                vision.layers("num_hidden_layers", given ? 12 : 27),
                heads,
                imageSize,
                patchSize,
                vision.doubleValue("layer_norm_eps", 1e-6),
                activation(vision, "hidden_act"));
    }

    private static Text text(CheckpointJson config, CheckpointJson text) {
        String type = text.string("model_type", GEMMA);
        if (!List.of(GEMMA, GEMMA2).contains(type)) {
            throw text.unsupported("model_type", GEMMA + ", " + GEMMA2);
        }
        boolean second = type.equals(GEMMA2);
        // Without a text_config the class has Gemma 2B; within one, the decoder's own defaults hold.
        boolean given = config.has("text_config");
        int hidden = text.positiveInt("hidden_size", given ? second ? 2304 : 3072 : 2048);
        int heads = text.positiveInt("num_attention_heads", given && !second ? 16 : 8);
        int kvHeads = text.positiveInt("num_key_value_heads", given ? second ? 4 : 16 : 1);
        if (heads % kvHeads != 0) {
            throw text.unreadable("num_key_value_heads", "a divisor of num_attention_heads, " + heads);
        }
        int headDim = text.positiveInt("head_dim", 256);
        if (headDim % 8 != 0) {
            throw text.unsupported("head_dim", "a multiple of 8");
        }
        if (text.booleanValue("attention_bias", false)) {
            throw text.unsupported("attention_bias", "false");
        }
        CheckpointJson rope = text.object(text.has("rope_scaling") ? "rope_scaling" : "rope_parameters");
        String ropeType = rope.has("rope_type") ? "rope_type" : "type";
        if (!rope.string(ropeType, "default").equals("default")) {
            throw rope.unsupported(ropeType, "default");
        }
        int layers = text.layers("num_hidden_layers", given ? second ? 26 : 28 : 18);
        int contextLength = text.positions("max_position_embeddings", 8192);
        // Gemma writes "gelu" and means the tanh form; Gemma 2 has the key of another name, and means what it says.
        String act = activation(text, second ? "hidden_activation" : "hidden_act");
        double scalar = second ? text.doubleValue("query_pre_attn_scalar", 256) : headDim;
        if (!(scalar > 0)) {
            throw text.unreadable("query_pre_attn_scalar", "a positive number");
        }
        return new Text(
                hidden,
                text.positiveInt("intermediate_size", given ? second ? 9216 : 24576 : 16384),
                layers,
                heads,
                kvHeads,
                headDim,
                text.positiveInt("vocab_size", given ? 256000 : config.positiveInt("vocab_size", 257152)),
                contextLength,
                text.doubleValue("rms_norm_eps", 1e-6),
                rope.doubleValue("rope_theta", text.doubleValue("rope_theta", 10_000)),
                1 / Math.sqrt(scalar),
                second ? softcap(text) : 0,
                second ? windows(text, layers, contextLength) : Collections.nCopies(layers, 0),
                second,
                second ? act : TANH,
                config.booleanValue("tie_word_embeddings", true));
    }

    /** Absent, the class has 50; a written null is none. */
    private static double softcap(CheckpointJson text) {
        String key = "attn_logit_softcapping";
        double cap = text.node(key).isNull() ? 0 : text.doubleValue(key, 50);
        if (cap < 0) {
            throw text.unreadable(key, "a positive number or null");
        }
        return cap;
    }

    /** Every other layer has a window unless {@code layer_types} says otherwise, the first among them. */
    private static List<Integer> windows(CheckpointJson text, int layers, int contextLength) {
        String key = "sliding_window";
        int window = text.node(key).isNull() ? 0 : text.positiveInt(key, 4096);
        // A window that holds all of a context hides nothing.
        int seen = window >= contextLength ? 0 : window;
        List<Integer> windows = new ArrayList<>();
        if (!text.has("layer_types")) {
            for (int i = 0; i < layers; i++) {
                windows.add(i % 2 == 0 ? seen : 0);
            }
            return List.copyOf(windows);
        }
        for (JsonNode type : text.node("layer_types")) {
            switch (type.asString("")) {
                case "sliding_attention" -> windows.add(seen);
                case "full_attention" -> windows.add(0);
                default -> throw text.unsupported("layer_types", "sliding_attention, full_attention");
            }
        }
        if (windows.size() != layers) {
            throw text.unreadable("layer_types", "one for each of " + layers + " layers");
        }
        return List.copyOf(windows);
    }

    private static String activation(CheckpointJson of, String key) {
        String act = of.string(key, TANH);
        if (!ACTIVATIONS.contains(act)) {
            throw of.unsupported(key, String.join(", ", ACTIVATIONS));
        }
        return act;
    }

    private static PaliGemmaPreprocessing preprocessing(Path checkpoint, Vision vision) {
        CheckpointJson images = PictureProcessor.read(checkpoint);
        for (String step : List.of("do_resize", "do_rescale", "do_normalize")) {
            if (!images.booleanValue(step, true)) {
                throw images.unsupported(step, "true");
            }
        }
        if (images.intValue("resample", 3) != 3) {
            throw images.unsupported("resample", "3, bicubic");
        }
        CheckpointJson size = images.object("size");
        for (String side : List.of("height", "width")) {
            if (size.intValue(side, 224) != vision.imageSize()) {
                throw size.unreadable(side, "the vision encoder's image_size, " + vision.imageSize());
            }
        }
        int tokens = (vision.imageSize() / vision.patchSize()) * (vision.imageSize() / vision.patchSize());
        if (images.intValue("image_seq_length", tokens) != tokens) {
            throw images.unreadable("image_seq_length", "the vision encoder's number of patches, " + tokens);
        }
        List<Double> mean = images.doubles("image_mean", HALVES);
        List<Double> std = images.doubles("image_std", HALVES);
        if (mean.size() != 3) {
            throw images.unreadable("image_mean", "three numbers");
        }
        if (std.size() != 3 || std.contains(0.0)) {
            throw images.unreadable("image_std", "three numbers other than 0");
        }
        return new PaliGemmaPreprocessing(
                vision.imageSize(), vision.patchSize(), images.doubleValue("rescale_factor", 1 / 255.0), mean, std);
    }

    private static int imageTokenId(CheckpointJson config) {
        return config.intValue(imageTokenKey(config), 256_000);
    }

    /** transformers' attribute map: {@code image_token_id} is an alias, and wins where both stand. */
    private static String imageTokenKey(CheckpointJson config) {
        return config.has("image_token_id") ? "image_token_id" : "image_token_index";
    }

    /** What {@code PaliGemmaProcessor} adds to any tokenizer: the picture's place, locations and segments. */
    private static List<AddedToken> processorsTokens() {
        List<AddedToken> tokens = new ArrayList<>();
        tokens.add(AddedToken.special("<image>"));
        for (int i = 0; i < 1024; i++) {
            tokens.add(AddedToken.plain("<loc%04d>".formatted(i)));
        }
        for (int i = 0; i < 128; i++) {
            tokens.add(AddedToken.plain("<seg%03d>".formatted(i)));
        }
        return List.copyOf(tokens);
    }
}
