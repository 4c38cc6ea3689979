package org.vlmserve.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.vlmserve.onnx.GraphContract.Product;
import org.vlmserve.onnx.KernelCheck.Verdict;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class KernelsTest {

    private static final Path GRAPH = Path.of("decoder", "graph.onnx");

    @TempDir
    Path directory;

    /** Each kernel that this processor can be asked for is right on it, or no int8 bundle could be served here. */
    @Test
    void thisProcessorHasARightKernelForEachProduct() {
        assertThat(Kernels.verdicts(EngineOptions.ofThreads(1)))
                .containsEntry(Kernel.ROWWISE_UNSIGNED, Verdict.RIGHT)
                .containsEntry(Kernel.BLOCK_INT8, Verdict.RIGHT)
                .containsEntry(Kernel.BLOCK_INT4, Verdict.RIGHT);
    }

    @Test
    void signedWeightsAreTakenWhereTheyAreRight() {
        assertThat(unsigned(Int8Weights.AUTO, java("kernel ROWWISE_SIGNED RIGHT", "kernel ROWWISE_UNSIGNED RIGHT")))
                .isFalse();
        assertThat(unsigned(Int8Weights.AUTO, java("kernel ROWWISE_SIGNED WRONG", "kernel ROWWISE_UNSIGNED RIGHT")))
                .isTrue();
    }

    @Test
    void aChoiceIsForced() {
        Path both = java("kernel ROWWISE_SIGNED RIGHT", "kernel ROWWISE_UNSIGNED RIGHT");
        assertThat(unsigned(Int8Weights.SIGNED, both)).isFalse();
        assertThat(unsigned(Int8Weights.UNSIGNED, both)).isTrue();
    }

    @ParameterizedTest
    @EnumSource
    void whatIsWrongIsRefusedWithThePrecisionToImport(Int8Weights choice) {
        Path neither = java("kernel ROWWISE_SIGNED WRONG", "kernel ROWWISE_UNSIGNED WRONG");
        assertThatThrownBy(() -> unsigned(choice, neither))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.PROCESSOR_UNSUPPORTED))
                .hasMessageContaining(GRAPH.toString())
                .hasMessageContaining("wrong products")
                .hasMessageContaining("--precision fp32");
    }

    @Test
    void aProductIsNotRefusedForAnothersKernel() {
        Path fourBits = java("kernel ROWWISE_SIGNED RIGHT", "kernel ROWWISE_UNSIGNED RIGHT", "kernel BLOCK_INT4 WRONG");
        assertThat(unsigned(Int8Weights.AUTO, fourBits)).isFalse();
        assertThatThrownBy(() -> Kernels.unsignedWeights(GRAPH, EnumSet.of(Product.BLOCK_INT4), options(fourBits)))
                .hasMessageContaining("--precision int8 or fp32");
        assertThat(Kernels.unsignedWeights(GRAPH, Set.of(), options(java("kernel ROWWISE_SIGNED WRONG"))))
                .as("a graph in float asks for no kernel")
                .isFalse();
    }

    /** The child dies of SIGABRT at the kernel that it has not named yet; the next one goes on behind it. */
    @Test
    void aKernelThatEndsItsProcessEndsNoOther() {
        Path java = script("""
                case "$*" in
                  *ROWWISE_SIGNED*) echo 'kernel ROWWISE_SIGNED WRONG'; kill -ABRT $$ ;;
                  *) %s ;;
                esac
                """.formatted(says(List.of("kernel BLOCK_INT8 RIGHT", "kernel BLOCK_INT4 RIGHT"))));
        assertThat(Kernels.verdicts(options(java)))
                .containsEntry(Kernel.ROWWISE_SIGNED, Verdict.WRONG)
                .containsEntry(Kernel.ROWWISE_UNSIGNED, Verdict.CRASHED)
                .containsEntry(Kernel.BLOCK_INT8, Verdict.RIGHT);
        assertThatThrownBy(() -> unsigned(Int8Weights.AUTO, java)).hasMessageContaining("ends the process");
    }

    @Test
    void findingsAreKeptForTheProcessorTheyAreAbout() throws IOException {
        Path cache = directory.resolve("cache");
        EngineOptions first = options(java("kernel ROWWISE_SIGNED WRONG", "kernel ROWWISE_UNSIGNED RIGHT"))
                .withCacheDirectory(cache);
        assertThat(Kernels.verdicts(first)).containsEntry(Kernel.ROWWISE_SIGNED, Verdict.WRONG);
        Path kept = only(cache);
        assertThat(kept).content().contains("kernel ROWWISE_SIGNED WRONG");
        Kernels.forget();
        assertThat(Kernels.verdicts(first.withJava(directory.resolve("nowhere"))))
                .as("read, and no child started")
                .containsEntry(Kernel.ROWWISE_SIGNED, Verdict.WRONG);
        Kernels.forget();
        assertThatThrownBy(
                        () -> Kernels.verdicts(first.withProcessor("another").withJava(directory.resolve("nowhere"))))
                .as("of another processor nothing is known")
                .hasMessageContaining("vlm.engine.java");
    }

    @Test
    void damagedFindingsAreFoundOutAgain() throws IOException {
        Path cache = directory.resolve("cache");
        EngineOptions options = options(java("kernel ROWWISE_SIGNED RIGHT", "kernel ROWWISE_UNSIGNED RIGHT"))
                .withCacheDirectory(cache);
        Kernels.verdicts(options);
        Files.writeString(only(cache), "kernel ROWWISE_SIGNED RI");
        Kernels.forget();
        assertThat(Kernels.verdicts(options)).containsEntry(Kernel.ROWWISE_SIGNED, Verdict.RIGHT);
        assertThat(only(cache)).content().contains("kernel ROWWISE_SIGNED RIGHT");
    }

    @Test
    void anEndedChildSaysNothingThatIsKept() throws IOException {
        Path cache = directory.resolve("cache");
        EngineOptions options = options(script("kill -KILL $$")).withCacheDirectory(cache);
        assertThat(Kernels.verdicts(options)).containsEntry(Kernel.ROWWISE_SIGNED, Verdict.CRASHED);
        assertThat(cache).doesNotExist();
    }

    @Test
    void aPlaceThatCannotBeWrittenCostsTheKeepingOnly() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "in the way");
        EngineOptions options = options(java("kernel ROWWISE_SIGNED RIGHT", "kernel ROWWISE_UNSIGNED RIGHT"))
                .withCacheDirectory(file);
        assertThat(Kernels.verdicts(options)).containsEntry(Kernel.ROWWISE_SIGNED, Verdict.RIGHT);
    }

    @Test
    void aCheckThatCannotRunIsAnErrorAndNoVerdict() {
        assertThatThrownBy(() -> Kernels.verdicts(options(script("echo no such class; exit 1"))))
                .hasMessageContaining("no such class")
                .hasMessageContaining("vlm.engine.java");
    }

    /** ONNX Runtime's rewriting runs past the inputs of a product without a zero point, on any processor. */
    @Test
    void theRewritingOfWeightsEndsAProcessWithoutTheirZeroPoint() throws Exception {
        assertThat(rewrite(TestGraphs.rowwiseInt8(true))).isZero();
        assertThat(rewrite(TestGraphs.rowwiseInt8(false))).isNotIn(0, 1);
    }

    private int rewrite(byte[] graph) throws Exception {
        Path file = Files.write(directory.resolve("graph.onnx"), graph);
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-XX:-CreateCoredumpOnCrash",
                        "-XX:ErrorFile=" + directory.resolve("crash.log"),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Rewrites.class.getName(),
                        file.toString())
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("output.log").toFile())
                .start()
                .waitFor();
    }

    /** Checks the graph that it is given with the weights rewritten, and ends with 0 if the product is right, with 1 if not. */
    static final class Rewrites {

        private Rewrites() {}

        public static void main(String[] args) throws IOException {
            System.exit(Kernel.ROWWISE_UNSIGNED.isRight(Files.readAllBytes(Path.of(args[0]))) ? 0 : 1);
        }
    }

    private boolean unsigned(Int8Weights choice, Path java) {
        return Kernels.unsignedWeights(
                GRAPH, EnumSet.of(Product.ROWWISE_INT8), options(java).withInt8Weights(choice));
    }

    /** Options whose findings no other test knows. */
    private EngineOptions options(Path java) {
        return EngineOptions.ofThreads(1).withJava(java).withProcessor(java.toString());
    }

    /** A java whose check prints these lines; of kernels that they do not name it says that they are right. */
    private Path java(String... lines) {
        return script(says(Arrays.asList(lines)));
    }

    private static String says(List<String> lines) {
        StringBuilder commands = new StringBuilder();
        for (Kernel kernel : Kernel.values()) {
            String line = lines.stream()
                    .filter(each -> each.contains(kernel.name()))
                    .findFirst()
                    .orElse("kernel " + kernel + " RIGHT");
            commands.append("echo '").append(line).append("'\n");
        }
        return commands.toString();
    }

    private Path script(String commands) {
        try {
            Path script = Files.createTempFile(directory, "java", ".sh");
            Files.writeString(script, "#!/bin/sh\n" + commands + "\n");
            Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"));
            return script;
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static Path only(Path cache) throws IOException {
        try (Stream<Path> files = Files.list(cache)) {
            List<Path> found = files.toList();
            assertThat(found).hasSize(1);
            return found.getFirst();
        }
    }
}
