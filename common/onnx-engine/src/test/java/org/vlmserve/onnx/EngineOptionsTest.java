package org.vlmserve.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.protocol.tensor.Tensor;

/** Each value of each choice gives the product of {@link Kernel}, or is refused. */
@Tag("processor")
class EngineOptionsTest {

    private static final int ROWS = 67;

    @TempDir
    Path directory;

    /** For whoever reads the log of a run on another processor. */
    @BeforeAll
    static void tell() {
        System.out.println("kernels on this processor: " + Kernels.verdicts(EngineOptions.ofThreads(1)));
    }

    @ParameterizedTest
    @CsvSource({"0, false", "0, true", "1, false", "1, true", "2, false", "2, true", "5, false"})
    void anyThreadsGiveTheSame(int threads, boolean spinning) throws IOException {
        assertRight(EngineOptions.ofThreads(threads).withSpinning(spinning));
    }

    @ParameterizedTest
    @CsvSource({"AUTO, true", "AUTO, false", "UNSIGNED, true", "UNSIGNED, false"})
    void weightsAreArrangedOnceOrAtEachStart(Int8Weights weights, boolean prepack) throws IOException {
        Path cache = directory.resolve("cache");
        EngineOptions options = EngineOptions.ofThreads(1)
                .withInt8Weights(weights)
                .withCacheDirectory(cache)
                .withPrepack(prepack);
        assertRight(options);
        assertRight(options);
        assertThat(arranged(cache)).hasSize(prepack ? 1 : 0);
    }

    /** Weights that were rewritten must not meet a session that takes them for what the bundle holds, nor another processor. */
    @Test
    void anArrangementIsForItsProcessorAndItsKernels() throws IOException {
        Path cache = directory.resolve("cache");
        EngineOptions options = EngineOptions.ofThreads(1).withCacheDirectory(cache);
        assertRight(options.withInt8Weights(Int8Weights.UNSIGNED).withProcessor("one"));
        assertThat(arranged(cache)).hasSize(1);
        assertRight(options.withInt8Weights(Int8Weights.UNSIGNED).withProcessor("another"));
        assertThat(arranged(cache)).hasSize(2);
        assertRight(options.withProcessor("one"));
        boolean signed = Kernels.verdicts(options).get(Kernel.ROWWISE_SIGNED) == KernelCheck.Verdict.RIGHT;
        assertThat(arranged(cache)).hasSize(signed ? 3 : 2);
    }

    /** Both ways add the same whole numbers. */
    @Test
    void unsignedWeightsGiveTheSameBits() throws IOException {
        Path graph = TestGraphs.write(directory, TestGraphs.rowwiseInt8(true));
        float[] x = TestGraphs.random(new SplittableRandom(3), ROWS * Kernel.DEPTH);
        EngineOptions options = EngineOptions.ofThreads(1);
        assertThat(run(graph, options.withInt8Weights(Int8Weights.UNSIGNED), x))
                .containsExactly(run(graph, options, x));
    }

    private static float[] run(Path graph, EngineOptions options, float[] x) {
        try (OnnxModel model = OnnxModel.load(graph, options)) {
            return Objects.requireNonNull(model.run(Map.of("x", Tensor.ofFloats(x, ROWS, Kernel.DEPTH)))
                            .get("y"))
                    .toFloats();
        }
    }

    /** Signed weights are taken where they are right, and refused where they are not. */
    @Test
    void signedWeightsAreRightOrRefused() throws IOException {
        EngineOptions options = EngineOptions.ofThreads(1).withInt8Weights(Int8Weights.SIGNED);
        if (Kernels.verdicts(options).get(Kernel.ROWWISE_SIGNED) == KernelCheck.Verdict.RIGHT) {
            assertRight(options);
        } else {
            assertThatThrownBy(() -> assertRight(options))
                    .hasMessageContaining("ROWWISE_SIGNED computes wrong products");
        }
    }

    @Test
    void aProcessorIsNamedByWhatTheSystemSaysOfIt() throws IOException {
        Path cpuinfo = Files.writeString(
                directory.resolve("cpuinfo"),
                "processor\t: 0\nmodel name\t: A 1\nflags\t\t: avx2 vnni\n\nprocessor\t: 1\nmodel name\t: A 1\n"
                        + "flags\t\t: avx2 vnni\ncpu MHz\t\t: 1\n");
        String one = Processor.description(cpuinfo);
        assertThat(one).containsOnlyOnce("A 1").contains("avx2 vnni").doesNotContain("MHz");
        Files.writeString(cpuinfo, "model name\t: A 1\nflags\t\t: avx2\n");
        assertThat(Processor.description(cpuinfo)).isNotEqualTo(one);
        assertThat(Processor.description(directory.resolve("none")))
                .as("where the system has no such file")
                .contains(System.getProperty("os.arch"));
    }

    private void assertRight(EngineOptions options) throws IOException {
        Path graph = TestGraphs.write(directory, TestGraphs.rowwiseInt8(true));
        float[] x = new float[ROWS * Kernel.DEPTH];
        for (int i = 0; i < x.length; i++) {
            int row = i / Kernel.DEPTH;
            x[i] = Kernel.activation(row, i % Kernel.DEPTH) * (row + 1) / 64f;
        }
        float[] y = run(graph, options, x);
        for (int row = 0; row < ROWS; row++) {
            for (int n = 0; n < Kernel.COLUMNS; n++) {
                double expected = Kernel.ROWWISE_SIGNED.product(row, n);
                assertThat((double) y[row * Kernel.COLUMNS + n])
                        .isCloseTo(expected, within(1e-5 * Math.max(1000, Math.abs(expected))));
            }
        }
    }

    private static List<Path> arranged(Path cache) throws IOException {
        if (!Files.exists(cache)) {
            return List.of();
        }
        try (Stream<Path> entries = Files.list(cache)) {
            return entries.filter(Files::isDirectory).toList();
        }
    }
}
