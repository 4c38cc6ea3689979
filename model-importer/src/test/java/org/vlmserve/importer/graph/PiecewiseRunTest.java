package org.vlmserve.importer.graph;

import static org.assertj.core.api.Assertions.assertThat;

import ai.onnx.proto.OnnxMl.ModelProto;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.importer.ImportOptions;
import org.vlmserve.importer.Importer;
import org.vlmserve.importer.Precision;
import org.vlmserve.importer.ProgressListener;
import org.vlmserve.onnx.EmbeddingTable;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.GraphContract;
import org.vlmserve.onnx.OnnxModel;
import org.vlmserve.protocol.tensor.Tensor;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;

class PiecewiseRunTest {

    private static final EngineOptions OPTIONS = EngineOptions.ofThreads(1);

    @TempDir
    Path directory;

    static List<GoldenCheckpoint> checkpoints() {
        return Goldens.find().checkpoints();
    }

    /** However small the pieces, the logits are those of the graph that runs as one. */
    @ParameterizedTest
    @MethodSource("checkpoints")
    void piecesGiveWhatTheWholeGives(GoldenCheckpoint checkpoint) throws IOException {
        for (Precision precision : List.of(Precision.FP32, Precision.INT8)) {
            Bundle bundle = Importer.importCheckpoint(
                    checkpoint.directory(),
                    directory.resolve(precision.wireName()),
                    ImportOptions.of(precision, checkpoint.visionTower()),
                    ProgressListener.SILENT);
            ModelProto model = ModelProto.parseFrom(Files.readAllBytes(bundle.decoderGraph()));
            Map<String, Tensor> inputs = inputs(bundle, model);
            float[] whole;
            try (OnnxModel session = OnnxModel.load(bundle.decoderGraph(), OPTIONS)) {
                whole = logits(session.run(inputs));
            }
            List<Integer> nodes = new ArrayList<>();
            PiecewiseRun pieces = new PiecewiseRun(model, 1, (piece, given) -> {
                nodes.add(ModelProto.parseFrom(piece).getGraph().getNodeCount());
                try (OnnxModel session = OnnxModel.of(piece, bundle.decoderGraph(), OPTIONS)) {
                    return session.run(given);
                }
            });
            float[] cut = logits(pieces.run(inputs, () -> {}));
            assertThat(nodes).hasSize(pieces.pieces()).hasSizeGreaterThan(10);
            assertThat(cut).usingComparatorWithPrecision(1e-5f).containsExactly(whole);
        }
    }

    private static float[] logits(Map<String, Tensor> outputs) {
        return Objects.requireNonNull(outputs.get(GraphContract.LOGITS)).toFloats();
    }

    private static Map<String, Tensor> inputs(Bundle bundle, ModelProto model) {
        BundleManifest.Decoder sizes = bundle.manifest().decoder();
        try (EmbeddingTable table = EmbeddingTable.open(
                bundle.decoderEmbeddings(), sizes.embeddingDtype(), sizes.embeddingRows(), sizes.hidden())) {
            return WrittenDecoder.inputs(model, table, sizes.embeddingScale(), sizes.vocabulary());
        }
    }
}
