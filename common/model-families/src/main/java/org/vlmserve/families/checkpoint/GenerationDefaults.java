package org.vlmserve.families.checkpoint;

import java.nio.file.Path;
import java.util.List;
import org.vlmserve.families.bundle.BundleManifest;

/** What {@code generation_config.json} says about how answers are sampled. */
public final class GenerationDefaults {

    private GenerationDefaults() {}

    /**
     * @param configured end tokens by {@code config.json}, for a checkpoint whose generation config names none
     * @param warnings is told of what the file asks for and the suite does not do
     */
    public static BundleManifest.Generation read(Path checkpoint, List<Integer> configured, Warnings warnings) {
        CheckpointJson file = CheckpointJson.readIfPresent(checkpoint.resolve("generation_config.json"));
        if (file == null) {
            return new BundleManifest.Generation(configured, false, null, null, null, null, null);
        }
        return new BundleManifest.Generation(
                file.intOrInts("eos_token_id", configured),
                file.booleanValue("do_sample", false),
                file.optionalDouble("temperature"),
                file.optionalDouble("top_p"),
                file.optionalInt("top_k"),
                file.optionalDouble("min_p"),
                file.optionalDouble("repetition_penalty"));
    }
}
