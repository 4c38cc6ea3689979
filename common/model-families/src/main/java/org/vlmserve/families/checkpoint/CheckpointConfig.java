package org.vlmserve.families.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** A checkpoint's {@code config.json}. The one place that refuses weights which are not plain numbers. */
public final class CheckpointConfig {

    /** Keys that only a quantised checkpoint has, and who writes them. */
    private static final Map<String, String> QUANTISED = Map.of(
            "quantization_config", "transformers",
            "quantization", "MLX",
            "compression_config", "compressed-tensors");

    /** Where else such a key stands. */
    private static final List<String> NESTED = List.of("text_config", "vision_config", "llm_config");

    private CheckpointConfig() {}

    /**
     * @param checkpoint the directory
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} if there is no {@code config.json} or no object in it,
     *     {@code CHECKPOINT_UNSUPPORTED} for quantised weights
     */
    public static CheckpointJson read(Path checkpoint) {
        Path file = checkpoint.resolve("config.json");
        if (!Files.exists(file)) {
            throw new VlmException(
                    ErrorCode.CHECKPOINT_UNREADABLE,
                    file + ": there is no such file; expected the directory of a Hugging Face checkpoint, but "
                            + CheckpointDirectory.explain(checkpoint));
        }
        CheckpointJson config = CheckpointJson.read(file);
        refuseQuantised(config);
        for (String part : NESTED) {
            if (config.node(part).isObject()) {
                refuseQuantised(config.object(part));
            }
        }
        return config;
    }

    private static void refuseQuantised(CheckpointJson config) {
        QUANTISED.forEach((key, writer) -> {
            if (config.has(key)) {
                String method = config.node(key).path("quant_method").asString(writer);
                throw config.unsupported(
                        key,
                        "weights in bf16, fp16 or fp32; these are quantised (" + method
                                + "), import the checkpoint that they were made from");
            }
        });
    }
}
