package org.vlmserve.importer.backbone;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.importer.Precision;
import org.vlmserve.importer.backbone.ProjectorGraph.Layer;
import org.vlmserve.importer.checkpoint.ArrayMatrix;
import org.vlmserve.importer.graph.Activation;
import org.vlmserve.importer.graph.OnnxGraph;
import org.vlmserve.importer.graph.PrecisionPolicy;
import org.vlmserve.importer.graph.WeightFile;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.GraphContract;
import org.vlmserve.onnx.OnnxModel;
import org.vlmserve.protocol.tensor.Tensor;

class ProjectorGraphTest {

    private final OnnxGraph graph = new OnnxGraph("projector", new WeightFile(GraphContract.WEIGHTS));
    private final ProjectorGraph projector = new ProjectorGraph(graph, new PrecisionPolicy(Precision.FP32));

    @TempDir
    private Path directory;

    /** H = Z · W, where the checkpoint has the transpose of W. */
    @Test
    void oneLayer() throws IOException {
        projector.build(new Layer(new ArrayMatrix(2, 3, 1, 0, 1, 0, 1, 1), null));
        assertThat(run(Tensor.ofFloats(new float[] {1, 0, 2, 0, 1, 1, 1, 1, 0, 2, 0, 1}, 4, 3)))
                .containsExactly(3, 2, 1, 2, 1, 1, 3, 1);
    }

    @Test
    void oneLayerWithABias() throws IOException {
        projector.build(new Layer(new ArrayMatrix(2, 3, 1, 0, 1, 0, 1, 1), new ArrayMatrix(2, 1, 10, -10)));
        assertThat(run(Tensor.ofFloats(new float[] {1, 0, 2}, 1, 3))).containsExactly(13, -8);
    }

    /** The second weight is the checkpoint's, [out, in]: its transpose would give (4.9505, −1.0415). */
    @Test
    void twoLayers() throws IOException {
        projector.build(
                new Layer(new ArrayMatrix(2, 3, 1, 0, 1, 0, 1, 1), new ArrayMatrix(2, 1, 0, 0)),
                Activation.GELU,
                new Layer(new ArrayMatrix(2, 2, 1, -1, 1, 1), new ArrayMatrix(2, 1, 0, 0)));
        assertThat(run(Tensor.ofFloats(new float[] {1, 0, 2}, 1, 3)))
                .containsExactly(new float[] {1.0415f, 4.9505f}, Offset.offset(1e-4f));
    }

    /** 1,024 features to 4,096 columns: 4,194,304 weights in one layer, 20.97 million in two. */
    @Test
    void parameters() {
        projector.build(new Layer(new ArrayMatrix(4096, 1024), null));
        assertThat(graph.weights().size()).isEqualTo(4_194_304L * Float.BYTES);
        OnnxGraph two = new OnnxGraph("projector", new WeightFile(GraphContract.WEIGHTS));
        new ProjectorGraph(two, new PrecisionPolicy(Precision.FP32))
                .build(
                        new Layer(new ArrayMatrix(4096, 1024), null),
                        Activation.GELU,
                        new Layer(new ArrayMatrix(4096, 4096), null));
        assertThat(two.weights().size()).isEqualTo(20_971_520L * Float.BYTES);
    }

    private float[] run(Tensor features) throws IOException {
        try (ExecutorService workers = Executors.newFixedThreadPool(2);
                FileChannel out = FileChannel.open(
                        directory.resolve(GraphContract.WEIGHTS),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE)) {
            graph.weights().write((data, offset) -> out.write(data, offset), workers, bytes -> {});
        }
        Files.write(directory.resolve("graph.onnx"), graph.serialize());
        try (OnnxModel model = OnnxModel.load(directory.resolve("graph.onnx"), EngineOptions.ofThreads(1))) {
            return Objects.requireNonNull(
                            model.run(Map.of(GraphContract.FEATURES, features)).get(GraphContract.EMBEDDINGS))
                    .toFloats();
        }
    }
}
