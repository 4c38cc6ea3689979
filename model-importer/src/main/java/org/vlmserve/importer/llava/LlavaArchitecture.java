package org.vlmserve.importer.llava;

import java.time.Instant;
import java.util.List;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.llava.LlavaConfig;
import org.vlmserve.families.llava.OriginalConfig;
import org.vlmserve.importer.Architecture;
import org.vlmserve.importer.Blueprint;
import org.vlmserve.importer.ImportOptions;
import org.vlmserve.importer.backbone.ClipLlamaGraphs;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.CheckpointTensor;
import org.vlmserve.importer.graph.PrecisionPolicy;

/** LLaVA-1.5 checkpoints of any size, in the Hub's layout. */
public final class LlavaArchitecture implements Architecture {

    @Override
    public String family() {
        return LlavaConfig.MODEL_TYPE;
    }

    @Override
    public boolean reads(CheckpointJson config) {
        // The original repository's layout shares this model_type.
        return LlavaConfig.MODEL_TYPE.equals(config.optionalString("model_type")) && !OriginalConfig.reads(config);
    }

    @Override
    public Blueprint blueprint(
            CheckpointReader checkpoint, ImportOptions options, Instant importedAt, Warnings warnings) {
        LlavaConfig config = LlavaConfig.read(checkpoint.directory(), options.chatTemplate(), warnings);
        PrecisionPolicy policy = new PrecisionPolicy(options.precision());
        ClipLlamaGraphs graphs = new ClipLlamaGraphs(checkpoint, config.parts(), policy, warnings);
        CheckpointTensor embeddings = graphs.embeddings();
        return new Blueprint(
                config.manifest(options.precision().wireName(), importedAt, embeddings.dtype()),
                graphs.encoder(),
                graphs.projector(),
                graphs.decoder(),
                List.of(embeddings),
                config.parts().tokenizer());
    }
}
