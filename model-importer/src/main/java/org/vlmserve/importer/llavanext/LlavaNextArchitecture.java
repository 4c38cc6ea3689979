package org.vlmserve.importer.llavanext;

import java.time.Instant;
import java.util.List;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.llavanext.LlavaNextConfig;
import org.vlmserve.importer.Architecture;
import org.vlmserve.importer.Blueprint;
import org.vlmserve.importer.ImportOptions;
import org.vlmserve.importer.backbone.ClipLlamaGraphs;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.CheckpointTensor;
import org.vlmserve.importer.graph.PrecisionPolicy;

/** LLaVA-NeXT checkpoints of any size, in the Hub's layout. */
public final class LlavaNextArchitecture implements Architecture {

    @Override
    public String family() {
        return LlavaNextConfig.MODEL_TYPE;
    }

    @Override
    public boolean reads(CheckpointJson config) {
        return LlavaNextConfig.MODEL_TYPE.equals(config.optionalString("model_type"));
    }

    @Override
    public Blueprint blueprint(
            CheckpointReader checkpoint, ImportOptions options, Instant importedAt, Warnings warnings) {
        LlavaNextConfig config = LlavaNextConfig.read(checkpoint.directory(), options.chatTemplate(), warnings);
        PrecisionPolicy policy = new PrecisionPolicy(options.precision());
        ClipLlamaGraphs graphs = new ClipLlamaGraphs(checkpoint, config.parts(), policy, warnings);
        CheckpointTensor table = graphs.embeddings();
        CheckpointTensor newline =
                graphs.tensor("image_newline", config.parts().decoder().hidden());
        // One file has one element type.
        boolean same = table.dtype() == newline.dtype();
        List<CheckpointTensor> embeddings =
                same ? List.of(table, newline) : List.of(table.asFloats(), newline.asFloats());
        return new Blueprint(
                config.manifest(
                        options.precision().wireName(),
                        importedAt,
                        embeddings.getFirst().dtype()),
                graphs.encoder(),
                graphs.projector(),
                graphs.decoder(),
                embeddings,
                config.parts().tokenizer());
    }
}
