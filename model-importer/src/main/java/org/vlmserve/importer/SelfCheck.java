package org.vlmserve.importer;

import java.io.IOException;
import java.util.List;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.prompt.ControlTokens;
import org.vlmserve.importer.graph.WrittenDecoder;
import org.vlmserve.importer.graph.WrittenGraph;
import org.vlmserve.onnx.EmbeddingTable;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * What a bundle must pass before it is published: the stages can open it, its weights are finite and what the checkpoint holds, its quantised layers multiply
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
     * @throws VlmException {@code CHECKPOINT_UNSUPPORTED} for what no stage would open, {@code CHECKPOINT_UNREADABLE} for weights that are no numbers or give none, {@code PROCESSOR_UNSUPPORTED}
     *     where this processor has no right kernel, {@code INTERNAL} for any other difference
     */
    void run(ProgressListener progress) throws IOException {
        open();
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

    /** As the stages will: a tokenizer, a template or numbers that they refuse must fail here. */
    private void open() {
        try {
            ModelFamily family = FamilyRegistry.load().familyOf(bundle);
            for (ControlTokens setting : ControlTokens.values()) {
                family.promptBuilder(bundle, setting);
            }
            family.preprocessor(bundle);
        } catch (VlmException e) {
            if (e.code() != ErrorCode.BUNDLE_CORRUPT) {
                throw e;
            }
            throw new VlmException(
                    ErrorCode.CHECKPOINT_UNSUPPORTED,
                    "the checkpoint makes a bundle that no stage would open: " + e.getMessage(),
                    e);
        }
    }
}
