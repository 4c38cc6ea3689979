package org.vlmserve.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

class OnnxModelTest {

    private static final EngineOptions OPTIONS = EngineOptions.ofThreads(1);

    @TempDir
    Path directory;

    @Test
    void givesEveryOutputForInputsInAnyBuffer() throws IOException {
        try (OnnxModel model = OnnxModel.load(TestGraphs.write(directory, TestGraphs.twice()), OPTIONS)) {
            ByteBuffer heap = ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN);
            heap.asFloatBuffer().put(new float[] {1, 2, 3, 4, 5, 6});
            Tensor onHeap = new Tensor(DType.F32, new int[] {2, 3}, heap);
            Tensor direct = Tensor.ofFloats(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
            for (Tensor x : new Tensor[] {onHeap, direct, direct.rows(0, 2)}) {
                Map<String, Tensor> outputs = model.run(Map.of("x", x));
                assertThat(outputs.get("y")).isEqualTo(Tensor.ofFloats(new float[] {2, 4, 6, 8, 10, 12}, 2, 3));
                assertThat(outputs).containsOnlyKeys("y", "n");
                assertThat(outputs.get("n")).hasToString("I64[1]");
            }
            assertThat(model.run(Map.of("x", direct.rows(1, 2))).get("y"))
                    .isEqualTo(Tensor.ofFloats(new float[] {8, 10, 12}, 1, 3));
            assertThat(model.inputSize("x", 1)).isEqualTo(3);
            assertThat(model.inputSize("x", 0)).isEqualTo(-1);
        }
    }

    @Test
    void refusesInputsThatTheGraphDoesNotTake() throws IOException {
        try (OnnxModel model = OnnxModel.load(TestGraphs.write(directory, TestGraphs.twice()), OPTIONS)) {
            assertThatThrownBy(() -> model.run(Map.of("x", Tensor.ofFloats(new float[4], 1, 4))))
                    .isInstanceOfSatisfying(
                            VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.INTERNAL))
                    .hasMessageContaining("F32[1, 4]");
        }
    }

    @Test
    void refusesAGraphThatIsNone() throws IOException {
        Path none = Files.writeString(directory.resolve("graph.onnx"), "no graph");
        assertThatThrownBy(() -> OnnxModel.load(none, OPTIONS))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.BUNDLE_CORRUPT));
        assertThatThrownBy(() -> OnnxModel.load(directory.resolve("missing.onnx"), OPTIONS))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.BUNDLE_CORRUPT))
                .hasMessageContaining("missing.onnx");
    }

    @Test
    void closeWaitsForACallUnderWay() throws Exception {
        OnnxModel model = OnnxModel.load(TestGraphs.write(directory, TestGraphs.slow()), OPTIONS);
        Tensor x = Tensor.ofFloats(new float[400 * 400], 400, 400);
        CompletableFuture<Void> entered = new CompletableFuture<>();
        CompletableFuture<Map<String, Tensor>> call = CompletableFuture.supplyAsync(() -> {
            entered.complete(null);
            Map<String, Tensor> last = Map.of();
            for (int i = 0; i < 50; i++) {
                try {
                    last = model.run(Map.of("x", x));
                } catch (IllegalStateException closed) {
                    break;
                }
            }
            return last;
        });
        entered.get();
        model.close();
        call.get();
        assertThatThrownBy(() -> model.run(Map.of("x", x)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        model.close();
    }

    /** The graph would be busy for minutes. */
    @Test
    void aRunThatIsNoLongerWantedEndsAndSaysWhy() throws IOException {
        try (OnnxModel model = OnnxModel.load(TestGraphs.write(directory, TestGraphs.slow()), OPTIONS)) {
            Tensor x = Tensor.ofFloats(new float[3000 * 3000], 3000, 3000);
            VlmException gone = new VlmException(ErrorCode.CANCELLED, "the caller went away");
            AtomicInteger asked = new AtomicInteger();
            assertThatThrownBy(() -> model.run(Map.of("x", x), () -> {
                        if (asked.incrementAndGet() == 3) {
                            throw gone;
                        }
                    }))
                    .isSameAs(gone);
            assertThat(asked).hasValue(3);
            assertThat(model.overdue()).isZero();
            Tensor small = Tensor.ofFloats(new float[4], 2, 2);
            assertThat(model.run(Map.of("x", small)))
                    .as("the session serves on")
                    .containsKey("y");
        }
    }

    /** Each operator of this graph takes seconds, and a run ends between two of them only. */
    @Test
    void aRunThatDoesNotEndIsOverdue() throws Exception {
        try (OnnxModel model = OnnxModel.load(TestGraphs.write(directory, TestGraphs.slow()), OPTIONS)) {
            Tensor x = Tensor.ofFloats(new float[3000 * 3000], 3000, 3000);
            CompletableFuture<Duration> seen = new CompletableFuture<>();
            Thread.ofVirtual().start(() -> {
                Duration overdue = Duration.ZERO;
                while (overdue.isZero()) {
                    overdue = model.overdue();
                }
                seen.complete(overdue);
            });
            assertThatThrownBy(() -> model.run(Map.of("x", x), () -> {
                        throw new VlmException(ErrorCode.DEADLINE_EXCEEDED, "over");
                    }))
                    .hasMessage("over");
            assertThat(seen.get()).isPositive();
        }
    }

    @Test
    void refusesANegativeNumberOfThreads() {
        assertThatThrownBy(() -> EngineOptions.ofThreads(-1)).hasMessageContaining("threads is -1");
    }
}
