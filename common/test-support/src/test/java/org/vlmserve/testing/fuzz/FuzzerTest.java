package org.vlmserve.testing.fuzz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** The fuzzer has to fail where a reader does. */
class FuzzerTest {

    @TempDir
    Path directory;

    private final AtomicBoolean ended = new AtomicBoolean();

    @Test
    void countsWhatIsReadAndWhatIsRefused() throws IOException {
        Fuzzer.Report report = fuzzer().run(input -> {
            if (input.length % 2 == 1) {
                throw new VlmException(ErrorCode.INVALID_REQUEST, input.length + " bytes; expected an even number");
            }
        });
        assertThat(report.inputs()).isEqualTo(300);
        assertThat(report.read()).isPositive();
        assertThat(report.refused()).containsOnlyKeys(ErrorCode.INVALID_REQUEST);
        assertThat(report.read() + report.refused().getOrDefault(ErrorCode.INVALID_REQUEST, 0))
                .isEqualTo(300);
        assertThat(directory.resolve("reader.txt")).content().contains("300 inputs with seed 7", "INVALID_REQUEST");
        assertThat(kept()).isEmpty();
    }

    @Test
    void failsOnAnExceptionThatIsNotPromised() throws IOException {
        assertFails(
                input -> {
                    if (input.length > 20) {
                        throw new NullPointerException("nobody is home");
                    }
                },
                "seed 7",
                "NullPointerException: nobody is home",
                "FuzzerTest.java");
        assertFails(
                input -> {
                    throw new VlmException(ErrorCode.INTERNAL, "a defect");
                },
                "refused with INTERNAL, expected one of [INVALID_REQUEST]");
        assertThat(kept()).isNotEmpty();
    }

    @Test
    void failsOnAStackOverflow() {
        assertFails(input -> depth(input.length), "StackOverflowError");
    }

    private static int depth(int from) {
        return from < 0 ? 0 : depth(from + 1) + 1;
    }

    @Test
    void failsOnAReaderThatWorksForEver() {
        Fuzzer watched = fuzzer().time(Duration.ofMillis(200), Duration.ofMinutes(2));
        assertFails(
                watched,
                input -> {
                    while (!ended.get()) {
                        Thread.onSpinWait();
                    }
                },
                "worked for ",
                "expected at most 200",
                "at org.vlmserve.testing.fuzz.FuzzerTest");
    }

    @Test
    void failsOnAReaderThatWaitsForEver() {
        Fuzzer watched = fuzzer().time(Duration.ofSeconds(5), Duration.ofSeconds(1));
        assertFails(watched, input -> new CountDownLatch(1).await(), "did not end within 1000 ms", "FuzzerTest");
    }

    @Test
    void failsOnAReaderThatEatsMemory() {
        assertFails(
                input -> {
                    for (int i = 0; i < 64; i++) {
                        assertThat(new byte[1 << 20]).hasSize(1 << 20);
                    }
                },
                "allocated ",
                "for an input of ",
                "expected at most 4");
        List<ByteBuffer> held = new ArrayList<>();
        assertFails(input -> held.add(ByteBuffer.allocateDirect(64 << 20)), "allocated ");
    }

    @Test
    void failsWhereNothingIsReadOrNothingIsRefused() {
        assertFails(input -> refuse("never"), "0 read", "expected inputs of both kinds");
        assertFails(input -> {}, "none refused", "expected inputs of both kinds");
    }

    @Test
    void failsOnARefusalWithoutAWord() {
        assertFails(input -> refuse(" "), "refused without a word");
    }

    private static void refuse(String words) {
        throw new VlmException(ErrorCode.INVALID_REQUEST, words);
    }

    @Test
    void anInputThatFailedCanBeReadAgain() throws IOException {
        Fuzzer.Reader faulty = input -> {
            if (input.length > 40) {
                throw new IllegalStateException("too long");
            }
        };
        assertFails(faulty, "IllegalStateException");
        Path file = kept().getFirst();
        List<byte[]> seen = new ArrayList<>();
        fuzzer().with(300, 7, directory, file).run(seen::add);
        assertThat(seen).hasSize(1);
        assertThat(seen.getFirst()).isEqualTo(Files.readAllBytes(file)).hasSizeGreaterThan(40);
        assertThatThrownBy(() -> fuzzer().with(300, 7, directory, file).run(faulty))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("too long");
        assertThat(fuzzer().with(5, 7, directory, Path.of("another.seed-7.input-1"))
                        .run(input -> {})
                        .inputs())
                .isEqualTo(5);
    }

    /** A reader in native code may end the process, and then nobody is left to say which input did it. */
    @Test
    void theInputAtWorkIsOnTheDisk() throws IOException {
        Path atWork = directory.resolve("reader.at-work");
        fuzzer().with(20, 7, directory, null)
                .run(input -> assertThat(Files.readAllBytes(atWork)).isEqualTo(input));
        assertThat(atWork).doesNotExist();
    }

    @Test
    void faultsOfOneKindAreToldOnce() throws IOException {
        assertFails(
                input -> {
                    throw input.length % 2 == 0 ? new IllegalStateException("even") : new ArithmeticException("odd");
                },
                "2 kinds of fault",
                "even",
                "odd");
        assertThat(kept()).hasSize(2);
    }

    private Fuzzer fuzzer() {
        return Fuzzer.of("reader", ErrorCode.INVALID_REQUEST)
                .from(List.of("{\"size\": 12, \"name\": \"a longer one, to be cut\"}".getBytes(StandardCharsets.UTF_8)))
                .by(ByteMutations.all())
                .time(Duration.ofSeconds(5), Duration.ofMinutes(2))
                .memory(4 << 20, 64)
                .with(300, 7, directory, null);
    }

    private void assertFails(Fuzzer.Reader reader, String... words) {
        assertFails(fuzzer(), reader, words);
    }

    private void assertFails(Fuzzer fuzzer, Fuzzer.Reader reader, String... words) {
        assertThatThrownBy(() -> fuzzer.run(reader))
                .isInstanceOf(AssertionError.class)
                .hasMessageContainingAll(words);
        ended.set(true);
    }

    private List<Path> kept() throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(file -> file.getFileName().toString().startsWith("reader.seed-"))
                    .sorted()
                    .toList();
        }
    }
}
