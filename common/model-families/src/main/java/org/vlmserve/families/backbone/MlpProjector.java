package org.vlmserve.families.backbone;

import java.util.List;
import org.vlmserve.families.checkpoint.CheckpointJson;

/**
 * Two linear layers with a non-linearity between them.
 *
 * @param hiddenAct {@code gelu}, the erf form, {@code quick_gelu}, {@code silu} or {@code gelu_pytorch_tanh}
 * @param bias whether the layers have one
 */
public record MlpProjector(String hiddenAct, boolean bias) {

    private static final List<String> ACTIVATIONS = List.of("gelu", "quick_gelu", "silu", "gelu_pytorch_tanh");

    public static MlpProjector read(CheckpointJson config) {
        String hiddenAct = config.string("projector_hidden_act", "gelu");
        if (!ACTIVATIONS.contains(hiddenAct)) {
            throw config.unsupported("projector_hidden_act", String.join(", ", ACTIVATIONS));
        }
        return new MlpProjector(hiddenAct, config.booleanValue("multimodal_projector_bias", true));
    }
}
