package org.vlmserve.importer;

import java.io.IOException;
import java.util.List;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.importer.graph.WrittenDecoder;
import org.vlmserve.importer.graph.WrittenGraph;
import org.vlmserve.onnx.EmbeddingTable;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.error.VlmException;

/**
 * What a bundle must pass before it is published: its weights are finite and what the checkpoint holds, its quantised layers multiply
 * on this machine as arithmetic says, and a short prompt has finite logits. No more of it is in memory than a piece of its weights.
 */
final class SelfCheck {

    private final Blueprint blueprint;
    private final Bundle bundle;
    private final EngineOptions engine;

    /** @param bundle as it was written, under its partial name */
    SelfCheck(Blueprint blueprint, Bundle bundle, EngineOptions engine) {
        this.blueprint = blueprint;
        this.bundle = bundle;
        this.engine = engine;
    }

    /**
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} for weights that are no numbers or give none, {@code PROCESSOR_UNSUPPORTED}
     *     where this processor has no right kernel, {@code INTERNAL} for any other difference
     */
    void run(ProgressListener progress) throws IOException {
        BundleManifest.Decoder sizes = bundle.manifest().decoder();
        try (WrittenGraph encoder = new WrittenGraph(blueprint.encoder(), bundle.encoderGraph());
                WrittenGraph projector = new WrittenGraph(blueprint.projector(), bundle.projectorGraph());
                WrittenGraph decoder = new WrittenGraph(blueprint.decoder(), bundle.decoderGraph());
                EmbeddingTable embeddings = EmbeddingTable.open(
                        bundle.decoderEmbeddings(), sizes.embeddingDtype(), sizes.embeddingRows(), sizes.hidden())) {
            WrittenDecoder prompt = new WrittenDecoder(bundle.decoderGraph(), engine);
            List<WrittenGraph> graphs = List.of(encoder, projector, decoder);
            progress.checking(graphs.stream().mapToInt(WrittenGraph::steps).sum() + prompt.steps());
            for (WrittenGraph graph : graphs) {
                graph.check(engine, progress::checked);
            }
            prompt.check(embeddings, sizes.embeddingScale(), sizes.vocabulary(), progress::checked);
        }
    }
}
