package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.launcher.FakeSuite.Outcome;

/** Whole commands against processes that behave like the services. */
class VlmTest {

    private static final byte[] PNG = {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

    @TempDir
    Path directory;

    private FakeSuite suite;
    private String port;

    @BeforeEach
    void prepare() throws Exception {
        suite = new FakeSuite(Files.createDirectories(directory.resolve("with space")));
        port = Integer.toString(new Ports().choose(0));
    }

    @AfterEach
    void stopAll() {
        suite.close();
    }

    @Test
    void upStartsWhatIsMissingAndReplacesWhatChanged() throws Exception {
        suite.checkpoint("small");
        Outcome first = suite.vlm("up", "--port", port);
        assertThat(first).as(first.err()).extracting(Outcome::code).isEqualTo(0);
        assertThat(first.out()).isEqualTo("serving small at http://127.0.0.1:" + port + "/v1\n");
        assertThat(first.err())
                .contains("importing small… done ")
                .contains("starting broker… ready ")
                .contains("starting decoder… ready ");

        long broker = suite.pid(Program.BROKER);
        long decoder = suite.pid(Program.DECODER);
        long gateway = suite.pid(Program.GATEWAY);
        Outcome again = suite.vlm("up");
        assertThat(again.code()).isZero();
        assertThat(again.out()).as("the port is kept").contains(":" + port);
        assertThat(again.err()).doesNotContain("starting").doesNotContain("importing");
        assertThat(suite.pid(Program.DECODER)).isEqualTo(decoder);

        ProcessHandle dead = suite.process(Program.PROJECTOR);
        dead.destroyForcibly();
        dead.onExit().get(10, TimeUnit.SECONDS);
        assertThat(suite.vlm("status"))
                .satisfies(status -> assertThat(status.code()).isEqualTo(1))
                .satisfies(status -> assertThat(status.out()).containsPattern("projector +\\d+ +\\d+ +dead"));
        assertThat(suite.vlm("up").err()).contains("starting projector… ready").doesNotContain("starting decoder");

        suite.rebuild(Program.DECODER, "fedcba9876543210");
        assertThat(suite.vlm("up").err()).contains("starting decoder… ready").doesNotContain("starting projector");
        assertThat(suite.pid(Program.DECODER)).isNotEqualTo(decoder);

        Outcome added = suite.vlm("up", "--bundle", "other=" + suite.bundle("other"));
        assertThat(added.out()).isEqualTo("serving other, small at http://127.0.0.1:" + port + "/v1\n");
        assertThat(suite.pid(Program.BROKER)).isEqualTo(broker);
        assertThat(suite.pid(Program.GATEWAY)).isEqualTo(gateway);

        Outcome status = suite.vlm("status");
        assertThat(status.code()).isZero();
        assertThat(status.out())
                .containsPattern("gateway +" + gateway + " +" + port + " +ready +other, small")
                .containsPattern("decoder +\\d+ +\\d+ +ready +other, small");

        assertThat(suite.vlm("down").err()).contains("stopping… stopped");
        assertThat(suite.vlm("status").out()).containsPattern("broker +- +- +stopped");
        assertThat(suite.vlm("down").err()).contains("nothing ran");
    }

    @Test
    void askStartsASuiteAndLeavesNothingRunning() throws Exception {
        suite.checkpoint("small");
        Files.write(directory.resolve("with space/a picture.png"), PNG);
        Outcome answer = suite.vlm("ask", "a picture.png", "What is it?");
        assertThat(answer.err())
                .contains("starting gateway… ready ")
                .contains("7 tokens in ")
                .contains("stopping… stopped");
        assertThat(answer.out()).isEqualTo("heard small: data:image/png What is it?\n");
        assertThat(answer.code()).isZero();
        for (Program program : Program.SERVERS) {
            assertThat(suite.running(program)).as(program.wireName()).isEmpty();
        }
    }

    @Test
    void askUsesASuiteThatRuns() throws Exception {
        suite.checkpoint("small");
        assertThat(suite.vlm("up", "--port", port).code()).isZero();
        long decoder = suite.pid(Program.DECODER);
        Outcome answer = suite.vlm("ask", "--model", "big", "--max-tokens", "3", "Why?");
        assertThat(answer.out()).isEqualTo("heard big: Why?\n");
        assertThat(answer.err()).doesNotContain("starting").doesNotContain("stopping");
        assertThat(suite.pid(Program.DECODER)).isEqualTo(decoder);

        assertThat(suite.vlm("ask", "please fail"))
                .isEqualTo(new Outcome(1, "", "error [prompt_too_long] 9 tokens; expected 8\n"));
        assertThat(suite.vlm("ask", "please break"))
                .isEqualTo(new Outcome(1, "half", "error [deadline_exceeded] too late\n"));
        assertThat(suite.vlm("ask", "please vanish")).satisfies(broken -> {
            assertThat(broken.code()).isEqualTo(1);
            assertThat(broken.err()).startsWith("error [internal] the answer broke off without an end");
        });
        assertThat(suite.vlm("ask", "gone.png", "What?")).satisfies(missing -> {
            assertThat(missing.code()).isEqualTo(1);
            assertThat(missing.err()).startsWith("error [picture_unreachable] no file ");
        });
        Files.writeString(directory.resolve("with space/text.png"), "no picture");
        assertThat(suite.vlm("ask", "text.png", "What?").err()).startsWith("error [picture_type_unsupported] ");

        byte[] photo = "\0\0\0\030ftypheic\0\0\0\0mif1heic".getBytes(StandardCharsets.ISO_8859_1);
        Files.write(directory.resolve("with space/photo.jpg"), photo);
        assertThat(suite.vlm("ask", "photo.jpg", "What?").err())
                .startsWith("error [picture_type_unsupported] ")
                .contains("photo.jpg is HEIC");

        byte[] clip = "\0\0\0\030ftypisom".getBytes(StandardCharsets.ISO_8859_1);
        Files.write(directory.resolve("with space/clip"), clip);
        assertThat(suite.vlm("ask", "clip", "https://example.org/a.MP4?b=c", "What?")
                        .out())
                .isEqualTo("heard small: data:video/mp4 https://example.org/a.MP4?b=c What?\n");

        suite.process(Program.GATEWAY).destroyForcibly();
        assertThat(suite.vlm("ask", "Why?"))
                .satisfies(repaired -> assertThat(repaired.err()).contains("starting gateway… ready"))
                .satisfies(repaired -> assertThat(repaired.out()).isEqualTo("heard small: Why?\n"));
        assertThat(suite.running(Program.GATEWAY))
                .as("it was up before and stays up")
                .isPresent();
    }

    @Test
    void aServiceThatDiesIsReportedWithItsLastError() throws Exception {
        Path corrupt = suite.bundle("bad");
        Files.writeString(corrupt.resolve("corrupt"), "");
        Outcome outcome = suite.vlm("up", "--port", port, "--bundle", "bad=" + corrupt);
        assertThat(outcome.code()).isEqualTo(1);
        String error = outcome.err().lines().toList().getLast();
        assertThat(error).startsWith("error [start_failed] ");
        Matcher dead = Pattern.compile("(vision-encoder|projector|decoder) stopped with exit code 1: "
                        + "VlmException: bundle.json of .* is empty; expected a manifest, hint: vlm import; see .*log$")
                .matcher(error);
        assertThat(dead.find()).as(error).isTrue();
        for (Program program : Program.SERVERS) {
            assertThat(suite.running(program)).as(program.wireName()).isEmpty();
        }
        // The others were ended at once, perhaps before they had written anything.
        assertThat(suite.vlm("logs", dead.group(1)).out()).startsWith("INFO starting " + dead.group(1) + "\n");
    }

    @Test
    void aBrokenAdditionDoesNotSpoilTheNextStart() throws Exception {
        suite.checkpoint("small");
        assertThat(suite.vlm("up", "--port", port).code()).isZero();
        Path corrupt = suite.bundle("bad");
        Files.writeString(corrupt.resolve("corrupt"), "");
        assertThat(suite.vlm("up", "--bundle", "bad=" + corrupt).code()).isEqualTo(1);
        assertThat(suite.vlm("up"))
                .satisfies(up -> assertThat(up.code()).isZero())
                .satisfies(up -> assertThat(up.out()).startsWith("serving small at "));
    }

    @Test
    void aPortInUseIsNamedTogetherWithTheWayOut() throws Exception {
        suite.checkpoint("small");
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            int number = taken.getLocalPort();
            Outcome outcome = suite.vlm("up", "--port", Integer.toString(number));
            assertThat(outcome.code()).isEqualTo(1);
            assertThat(outcome.err())
                    .contains("error [port_in_use] port " + number + " on 127.0.0.1")
                    .contains("hint: vlm up --port ");
        }
        assertThat(suite.running(Program.BROKER)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"proc", "start-time"})
    void aNoteOfAProcessThatIsNoLongerOursIsNotBelieved(String identity) throws Exception {
        suite.close();
        suite = new FakeSuite(directory, Map.of("VLM_PROCESS_IDENTITY", identity));
        suite.checkpoint("small");
        assertThat(suite.vlm("up", "--port", port).code()).isZero();
        RunningProgram decoder = suite.running(Program.DECODER).orElseThrow();
        RunningProgram projector = suite.running(Program.PROJECTOR).orElseThrow();
        // The projector's process now has the number of a decoder that began at another time.
        String another = suite.identity(ProcessHandle.current().pid());
        RunningProgram reused =
                new RunningProgram(projector.pid(), another, 0, decoder.managementPort(), decoder.command());
        Home home = new Home(suite.home);
        home.write(Program.DECODER.wireName(), reused);
        home.forget(Program.PROJECTOR.wireName());
        try {
            assertThat(suite.vlm("status").out()).containsPattern("decoder +" + projector.pid() + " +\\d+ +dead");
            assertThat(suite.vlm("down").err()).contains("stopped");
            assertThat(suite.isAlive(projector)).as("it is a stranger's").isTrue();
            assertThat(suite.isAlive(decoder)).isTrue();
        } finally {
            home.write(Program.DECODER.wireName(), decoder);
            home.write(Program.PROJECTOR.wireName(), projector);
            assertThat(suite.vlm("down").err()).contains("stopped");
        }
        assertThat(suite.isAlive(projector)).isFalse();
        assertThat(suite.isAlive(decoder)).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"proc, start-time", "start-time, proc"})
    void whatOneCommandNotedAnotherFindsWhateverItNotesItself(String noted, String other) throws Exception {
        suite.close();
        suite = new FakeSuite(directory, Map.of("VLM_PROCESS_IDENTITY", noted));
        suite.checkpoint("small");
        assertThat(suite.vlm("up", "--port", port).code()).isZero();
        RunningProgram decoder = suite.running(Program.DECODER).orElseThrow();
        suite = new FakeSuite(directory, Map.of("VLM_PROCESS_IDENTITY", other));
        assertThat(suite.vlm("status").code()).isZero();
        assertThat(suite.vlm("up").err()).doesNotContain("starting");
        assertThat(suite.vlm("down").err()).contains("stopped");
        assertThat(suite.isAlive(decoder)).isFalse();
    }

    @Test
    void aNoteThatCannotBeReadIsNamed() throws Exception {
        Path note = Files.createDirectories(suite.home.resolve("run")).resolve("decoder.json");
        Files.writeString(note, "{\"pid\": 1, \"startedAt\": 5}");
        assertThat(suite.vlm("down"))
                .satisfies(down -> assertThat(down.code()).isEqualTo(1))
                .satisfies(down -> assertThat(down.err())
                        .contains("error [internal] " + note + " is not what vlm writes")
                        .contains("hint: "));
        assertThat(note).as("what it told of is not forgotten").exists();
        Files.delete(note);
    }

    @Test
    void twoStartsAtOnceMakeOneSuite() throws Exception {
        suite.checkpoint("small");
        // One of them in a process of its own, as a lock is held by a process.
        Process other = suite.vlmProcess("up", "--port", port);
        CompletableFuture<String> printed = CompletableFuture.supplyAsync(() -> {
            try {
                return new String(other.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        Outcome own = suite.vlm("up", "--port", port);
        assertThat(other.waitFor()).as(printed.get()).isZero();
        assertThat(own.code()).as(own.err()).isZero();
        String starts = own.err() + printed.get();
        assertThat(starts.split("starting decoder… ready", -1)).as(starts).hasSize(2);
    }

    @Test
    void interruptedWhileStartingItStopsWhatItStarted() throws Exception {
        Path slow = suite.bundle("slow");
        Files.writeString(slow.resolve("slow"), "");
        Process up = suite.vlmProcess("up", "--port", port, "--bundle", "slow=" + slow);
        try (BufferedReader lines = up.inputReader(StandardCharsets.UTF_8)) {
            String line = lines.readLine();
            while (line != null && !line.startsWith("starting gateway… ready")) {
                line = lines.readLine();
            }
            assertThat(line).as("the gateway starts").isNotNull();
            RunningProgram gateway = suite.running(Program.GATEWAY).orElseThrow();
            RunningProgram broker = suite.running(Program.BROKER).orElseThrow();
            // Not Process.destroy(), which would close the pipe that is read below.
            up.toHandle().destroy();
            assertThat(up.waitFor(20, TimeUnit.SECONDS)).isTrue();
            assertThat(suite.isAlive(gateway)).isFalse();
            assertThat(suite.isAlive(broker)).isFalse();
            assertThat(lines.lines()).contains("interrupted");
        }
        assertThat(suite.vlm("status").out()).containsPattern("decoder +- +- +stopped");
    }

    @Test
    void aCheckpointThatCannotBeImportedIsReported() throws Exception {
        Files.writeString(suite.checkpoint("small").resolve("corrupt"), "");
        Outcome outcome = suite.vlm("ask", "Why?");
        assertThat(outcome.code()).isEqualTo(1);
        assertThat(outcome.err())
                .contains("error [checkpoint_unreadable] importing ")
                .contains("model.safetensors is cut off");
        assertThat(suite.running(Program.BROKER)).isEmpty();
        assertThat(suite.home.resolve("bundles")).isEmptyDirectory();
    }

    @Test
    void aCheckpointThatChangedIsImportedAgainWhateverItsFilesTimesSay() throws Exception {
        Path weights = suite.checkpoint("small").resolve("model.safetensors");
        byte[] content = new byte[9 << 20];
        Files.write(weights, content);
        FileTime time = Files.getLastModifiedTime(weights);
        assertThat(suite.vlm("ask", "Why?").err()).contains("importing small… done");
        assertThat(suite.vlm("ask", "Why?").err()).doesNotContain("importing");
        // Other weights of the same model: all of them, then those of one layer.
        for (int last : new int[] {content.length, 1 << 20}) {
            Arrays.fill(content, 0, last, (byte) (last >> 16));
            Files.write(weights, content);
            Files.setLastModifiedTime(weights, time);
            assertThat(suite.vlm("ask", "Why?").err()).contains("importing small… done");
        }
        Files.setLastModifiedTime(weights, FileTime.fromMillis(time.toMillis() + 1));
        assertThat(suite.vlm("ask", "Why?").err()).contains("importing small… done");
        try (Stream<Path> bundles = Files.list(suite.home.resolve("bundles"))) {
            assertThat(bundles).hasSize(1);
        }
    }

    @Test
    void theModelThatIsMeant() throws Exception {
        assertThat(suite.vlm("ask", "Why?").err()).startsWith("error [model_not_found] no model in ");
        suite.checkpoint("one");
        suite.checkpoint("two");
        assertThat(suite.vlm("ask", "Why?").err())
                .startsWith("error [model_not_found] no model named and 2 there: one, two;");
        assertThat(suite.vlm("ask", "--model", "three", "Why?").err())
                .startsWith("error [model_not_found] model three (asked for) is not there; expected one of: one, two");
        Files.writeString(suite.models.resolve("default"), "two\n");
        assertThat(suite.vlm("ask", "Why?").out()).isEqualTo("heard two: Why?\n");
    }

    @Test
    void usageErrorsAreTold() {
        assertThat(suite.vlm("sing")).extracting(Outcome::code).isEqualTo(2);
        assertThat(suite.vlm("ask").err()).startsWith("error [usage] no question;");
        assertThat(suite.vlm()).isEqualTo(new Outcome(0, CommandLine.OVERVIEW, ""));
        assertThat(suite.vlm("logs", "gateway"))
                .extracting(Outcome::code, Outcome::err)
                .satisfies(both -> assertThat(both.toString()).contains("[not_running] no log "));
    }
}
