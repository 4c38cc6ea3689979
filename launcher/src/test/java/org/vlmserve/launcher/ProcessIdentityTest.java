package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.vlmserve.launcher.ProcessIdentity.Source;
import org.vlmserve.protocol.error.VlmException;

class ProcessIdentityTest {

    private static final Path PROC = Path.of("/proc");
    private static final int TICKS_PER_SECOND = 100;

    @TempDir
    Path directory;

    private Process process;

    @BeforeEach
    void start() throws IOException {
        process = new ProcessBuilder("sleep", "1000").start();
    }

    @AfterEach
    void end() {
        process.destroyForcibly();
    }

    @ParameterizedTest
    @EnumSource(Source.class)
    void aProcessIsItselfUntilItEnds(Source source) throws Exception {
        ProcessIdentity identities = ProcessIdentity.of(source);
        RunningProgram noted = RunningProgram.of(process, identities, 0, 0, "");
        assertThat(noted.identity()).startsWith(source.wireName() + " ");
        for (Source now : Source.values()) {
            assertThat(noted.alive(ProcessIdentity.of(now)))
                    .as("a command that notes " + now)
                    .contains(process.toHandle());
        }
        RunningProgram other =
                new RunningProgram(noted.pid(), RunningProgram.self(identities).identity(), 0, 0, "");
        assertThat(other.alive(identities)).as("its number, another start").isEmpty();
        assertThat(new RunningProgram(noted.pid(), "", 0, 0, "").alive(identities))
                .as("nothing is known of it")
                .isEmpty();

        process.destroyForcibly().waitFor();
        assertThat(noted.alive(identities)).isEmpty();
        assertThat(RunningProgram.of(process, identities, 0, 0, "").identity())
                .as("of one that ended at once")
                .isEmpty();
    }

    /** What Linux shows of this machine after its clock was set by 38 s, with the process as it is. */
    private Path afterTheClockWasSet(long seconds) throws IOException {
        Path view = Files.createDirectories(directory.resolve("set by " + seconds));
        Files.createDirectories(view.resolve("sys/kernel/random"));
        Files.copy(PROC.resolve("sys/kernel/random/boot_id"), view.resolve("sys/kernel/random/boot_id"));
        Files.createSymbolicLink(view.resolve("" + process.pid()), PROC.resolve("" + process.pid()));
        Files.writeString(view.resolve("stat"), "btime " + (bootTime(PROC) + seconds) + "\n");
        return view;
    }

    private static long bootTime(Path proc) throws IOException {
        return Files.readAllLines(proc.resolve("stat")).stream()
                .filter(line -> line.startsWith("btime "))
                .mapToLong(line -> Long.parseLong(line.substring("btime ".length())))
                .findFirst()
                .orElseThrow();
    }

    /** As the JDK computes it. */
    private static Instant startTime(Path proc, String identity) throws IOException {
        long ticks = Long.parseLong(identity.substring(identity.lastIndexOf(' ') + 1));
        return Instant.ofEpochSecond(bootTime(proc))
                .plus(Duration.ofSeconds(ticks).dividedBy(TICKS_PER_SECOND));
    }

    @Test
    void aClockThatIsSetChangesNothing() throws Exception {
        RunningProgram noted = RunningProgram.of(process, ProcessIdentity.of(Source.PROC), 0, 0, "");
        Instant before = startTime(PROC, noted.identity());
        assertThat(before)
                .as("what moves, computed as the JDK does")
                .isBetween(
                        process.info().startInstant().orElseThrow().minusSeconds(2),
                        process.info().startInstant().orElseThrow().plusSeconds(2));
        for (long seconds : new long[] {38, -38, 86_400}) {
            Path view = afterTheClockWasSet(seconds);
            assertThat(startTime(view, noted.identity())).isEqualTo(before.plusSeconds(seconds));
            assertThat(noted.alive(new ProcessIdentity(Source.PROC, view))).contains(process.toHandle());
        }
    }

    @Test
    void aTimeIsComparedToTheMillisecond() throws Exception {
        ProcessIdentity identities = ProcessIdentity.of(Source.START_TIME);
        RunningProgram noted = RunningProgram.of(process, identities, 0, 0, "");
        Instant start = Instant.parse(noted.identity().substring("start-time ".length()));
        for (Duration apart : new Duration[] {Duration.ofMillis(10), Duration.ofSeconds(38), Duration.ofDays(1)}) {
            for (Instant other : new Instant[] {start.minus(apart), start.plus(apart)}) {
                assertThat(new RunningProgram(noted.pid(), "start-time " + other, 0, 0, "").alive(identities))
                        .isEmpty();
            }
        }
    }

    @Test
    void readsBootAndStartTick() throws Exception {
        Path boot = Files.createDirectories(directory.resolve("sys/kernel/random"));
        Path stat = Files.createDirectories(directory.resolve("7")).resolve("stat");
        ProcessIdentity identities = new ProcessIdentity(Source.PROC, directory);

        Files.writeString(boot.resolve("boot_id"), "first\n");
        Files.writeString(
                stat, "7 (a (b) Z) c) S 1 7 7 0 -1 4194304 101 0 0 0 0 0 0 0 20 0 1 0 57448 3133440 411 0 1 2\n");
        assertThat(identities.identify(7)).contains("proc first 57448");
        Files.writeString(boot.resolve("boot_id"), "second\n");
        assertThat(identities.identify(7)).as("the same tick of another boot").contains("proc second 57448");
        Files.writeString(stat, "7 (sleep) Z 1 7 7 0 -1 4194304 101 0 0 0 0 0 0 0 20 0 1 0 57448 0 0 0 1 2\n");
        assertThat(identities.identify(7))
                .as("it ended and nobody collected it")
                .isEmpty();
        Files.writeString(stat, "7 (sleep");
        assertThat(identities.identify(7)).isEmpty();
        assertThat(identities.identify(8)).isEmpty();

        Files.delete(boot.resolve("boot_id"));
        assertThatThrownBy(() -> identities.identify(7))
                .isInstanceOf(VlmException.class)
                .hasMessageContainingAll(
                        boot.resolve("boot_id").toString(), "expected the proc file system", "hint: mount it");
    }

    @Test
    void eachSystemHasOne() {
        assertThat(ProcessIdentity.ofSystem("Linux")).isEqualTo(ProcessIdentity.of(Source.PROC));
        for (String other : new String[] {"Mac OS X", "Windows 11"}) {
            assertThat(ProcessIdentity.ofSystem(other)).isEqualTo(ProcessIdentity.of(Source.START_TIME));
        }
        assertThat(ProcessIdentity.ofSystem(System.getProperty("os.name"))
                        .identify(ProcessHandle.current().pid()))
                .as("works here")
                .isNotEqualTo(Optional.empty());
    }
}
