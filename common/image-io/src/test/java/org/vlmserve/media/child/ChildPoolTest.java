package org.vlmserve.media.child;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class ChildPoolTest {

    static final ChildPoolConfig CONFIG = new ChildPoolConfig(1, 64 << 20, 400 << 20, Duration.ofSeconds(60), 1000);
    private static final Duration LONG = Duration.ofMinutes(5);

    private final List<String> ended = new CopyOnWriteArrayList<>();
    private ChildPool pool = pool(CONFIG);

    private ChildPool pool(ChildPoolConfig config) {
        return new ChildPool(config, new ChildEvents() {
            @Override
            public void started() {}

            @Override
            public void ended(String reason) {
                ended.add(reason);
            }
        });
    }

    private void use(ChildPoolConfig config) {
        pool.close();
        pool = pool(config);
    }

    @AfterEach
    void close() {
        pool.close();
    }

    private record Echoed(int number, long pid, byte[] file) {}

    private Echoed echo(int number, byte[] file) {
        return pool.run(
                TestJobs.Echo.class,
                ByteBuffer.allocate(4).putInt(number).array(),
                file,
                LONG,
                () -> {},
                in -> new Echoed(in.readInt(), in.readLong(), in.readAllBytes()));
    }

    private VlmException failure(Class<? extends ChildJob> kind) {
        return failure(kind, LONG);
    }

    private VlmException failure(Class<? extends ChildJob> kind, Duration limit) {
        return catchThrowableOfType(
                VlmException.class,
                () -> pool.run(kind, new byte[0], new byte[7], limit, () -> {}, DataInputStream::readAllBytes));
    }

    @Test
    void jobsGoThroughOneProcessAndComeBackWhole() {
        byte[] file = new byte[3_000_000];
        new Random(1).nextBytes(file);
        Echoed first = echo(5, file);
        assertThat(first.number()).isEqualTo(5);
        assertThat(first.file()).isEqualTo(file);
        assertThat(first.pid()).isNotEqualTo(ProcessHandle.current().pid());
        assertThat(echo(6, new byte[0]).pid()).isEqualTo(first.pid());
        assertThat(ended).isEmpty();
    }

    @Test
    void whatAJobRefusesReachesItsCallerAndTheProcessGoesOn() {
        long pid = echo(1, new byte[0]).pid();
        assertThat(failure(TestJobs.Refuse.class))
                .hasMessage("as long as 7")
                .extracting(VlmException::code)
                .isEqualTo(ErrorCode.VIDEO_TOO_LONG);
        assertThat(failure(TestJobs.Fail.class))
                .hasMessageContaining("IllegalStateException")
                .hasMessageNotContaining("secret")
                .extracting(VlmException::code)
                .isEqualTo(ErrorCode.PICTURE_UNREADABLE);
        assertThat(echo(1, new byte[0]).pid()).isEqualTo(pid);
    }

    @ParameterizedTest
    @ValueSource(classes = {TestJobs.FillHeap.class, TestJobs.OneHugeArray.class, TestJobs.FillNativeMemory.class})
    void aJobThatTakesTooMuchMemoryFailsAlone(Class<? extends ChildJob> kind) {
        assertThat(failure(kind))
                .hasMessageContaining("memory")
                .extracting(VlmException::code)
                .isEqualTo(ErrorCode.PICTURE_TOO_COSTLY);
        assertThat(echo(3, new byte[0]).number()).isEqualTo(3);
    }

    @Test
    void aJobThatIsNestedTooDeeplyFailsAlone() {
        assertThat(failure(TestJobs.Recurse.class).code()).isEqualTo(ErrorCode.PICTURE_TOO_COSTLY);
        assertThat(echo(3, new byte[0]).number()).isEqualTo(3);
    }

    @ParameterizedTest
    @ValueSource(classes = {TestJobs.Crash.class, TestJobs.Babble.class})
    void aJobThatBreaksItsProcessFailsAlone(Class<? extends ChildJob> kind) {
        assertThat(failure(kind).code()).isEqualTo(ErrorCode.PICTURE_UNREADABLE);
        assertThat(echo(3, new byte[0]).number()).isEqualTo(3);
        assertThat(ended).isNotEmpty();
    }

    @Test
    void aJobThatSaysNothingIsEnded() {
        use(new ChildPoolConfig(1, 64 << 20, 400 << 20, Duration.ofSeconds(1), 1000));
        assertThat(failure(TestJobs.Hang.class))
                .hasMessageContaining("time")
                .extracting(VlmException::code)
                .isEqualTo(ErrorCode.PICTURE_TOO_COSTLY);
        assertThat(ended).containsExactly("silence");
    }

    @Test
    void aJobThatTakesTooLongIsEndedThoughItSpeaks() {
        assertThat(failure(TestJobs.Dawdle.class, Duration.ofSeconds(1)).code())
                .isEqualTo(ErrorCode.PICTURE_TOO_COSTLY);
        assertThat(ended).containsExactly("time");
    }

    @Test
    void aJobThatNobodyWaitsForIsEnded() {
        VlmException gone = new VlmException(ErrorCode.CANCELLED, "the caller hung up");
        assertThatThrownBy(() -> pool.run(
                        TestJobs.Dawdle.class,
                        new byte[0],
                        new byte[0],
                        LONG,
                        () -> {
                            throw gone;
                        },
                        DataInputStream::readAllBytes))
                .isSameAs(gone);
        assertThat(ended).containsExactly("cancelled");
    }

    @Test
    void aProcessIsReplacedAfterItsShareOfJobs() {
        use(new ChildPoolConfig(1, 64 << 20, 400 << 20, Duration.ofSeconds(60), 3));
        Set<Long> pids = new HashSet<>();
        for (int i = 0; i < 7; i++) {
            pids.add(echo(i, new byte[0]).pid());
        }
        assertThat(pids).hasSize(3);
        assertThat(ended).containsExactly("recycled", "recycled");
    }

    @Test
    void aLargeJobLeavesNoLargeProcess() {
        use(new ChildPoolConfig(1, 256 << 20, 400 << 20, Duration.ofSeconds(60), 1000));
        long pid = echo(1, new byte[0]).pid();
        for (int i = 0; i < 5; i++) {
            assertThat((long) pool.run(
                            TestJobs.Grow.class, new byte[0], new byte[0], LONG, () -> {}, DataInputStream::readLong))
                    .isEqualTo(pid);
        }
        assertThat(ended).isEmpty();
    }

    @Test
    void aProcessThatKeepsTheMemoryOfAJobIsReplaced() {
        long pid = echo(1, new byte[0]).pid();
        long keeper =
                pool.run(TestJobs.Keep.class, new byte[0], new byte[0], LONG, () -> {}, DataInputStream::readLong);
        assertThat(keeper).isEqualTo(pid);
        assertThat(echo(3, new byte[0]).pid()).isNotEqualTo(pid);
        assertThat(ended).containsExactly("recycled");
    }

    @Test
    void aProcessThatDiedBetweenJobsCostsNoJob() throws Exception {
        long pid = echo(1, new byte[0]).pid();
        ProcessHandle process = ProcessHandle.of(pid).orElseThrow();
        process.destroyForcibly();
        process.onExit().get(30, TimeUnit.SECONDS);
        assertThat(echo(2, new byte[0]).pid()).isNotEqualTo(pid);
    }

    @Test
    void asManyRunAtOnceAsThereAreProcessesAndTheOthersWait() throws Exception {
        use(new ChildPoolConfig(2, 64 << 20, 400 << 20, Duration.ofSeconds(60), 1000));
        pool.warmUp();
        assertThat(pool.pids()).hasSize(2);
        try (ExecutorService callers = Executors.newFixedThreadPool(6)) {
            List<Future<Echoed>> all = callers.invokeAll(java.util.stream.IntStream.range(0, 24)
                    .mapToObj(i -> (java.util.concurrent.Callable<Echoed>) () -> echo(i, new byte[100_000]))
                    .toList());
            for (int i = 0; i < all.size(); i++) {
                assertThat(all.get(i).get().number()).isEqualTo(i);
            }
        }
        assertThat(pool.pids()).hasSize(2);
    }

    @Test
    void whatALibraryPrintsIsNoResultAndItSeesNoneOfTheServicesEnvironment() {
        String names = pool.run(
                TestJobs.Print.class,
                new byte[0],
                new byte[0],
                LONG,
                () -> {},
                in -> new String(in.readAllBytes(), StandardCharsets.UTF_8));
        assertThat(Set.of("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "SystemRoot", ""))
                .containsAll(List.of(names.split(",")));
    }

    @Test
    void closingEndsTheProcesses() throws Exception {
        pool.warmUp();
        ProcessHandle child = ProcessHandle.of(pool.pids().getFirst()).orElseThrow();
        pool.close();
        child.onExit().get(30, TimeUnit.SECONDS);
        assertThat(failure(TestJobs.Refuse.class).code()).isEqualTo(ErrorCode.STAGE_UNAVAILABLE);
    }

    @Test
    void aProcessEndsWithItsParent() throws Exception {
        Process parent = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Parent.class.getName())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        try (BufferedReader said =
                new BufferedReader(new InputStreamReader(parent.getInputStream(), StandardCharsets.UTF_8))) {
            String line;
            do {
                line = said.readLine();
            } while (line != null && !line.matches("[0-9]+"));
            assertThat(line).isNotNull();
            ProcessHandle child = ProcessHandle.of(Long.parseLong(line)).orElseThrow();
            parent.destroyForcibly();
            child.onExit().get(60, TimeUnit.SECONDS);
            assertThat(child.isAlive()).isFalse();
        } finally {
            parent.destroyForcibly();
        }
    }

    @Test
    void boundsThatMakeNoSenseAreRefused() {
        assertThatThrownBy(() -> new ChildPoolConfig(1, 1 << 20, 1 << 20, Duration.ofSeconds(1), 1))
                .hasMessageContaining("a heap of 1048576 bytes");
        assertThatThrownBy(() -> new ChildPoolConfig(0, 64 << 20, 64 << 20, Duration.ofSeconds(1), 1))
                .hasMessageContaining("a pool of 0");
    }
}
