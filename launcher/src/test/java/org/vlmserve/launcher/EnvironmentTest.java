package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.launcher.CommandLine.UsageException;
import org.vlmserve.launcher.ProcessIdentity.Source;

/** What each variable makes of a command, and what the machine makes of it when none is set. */
class EnvironmentTest {

    private static final Path REPOSITORY = Path.of(System.getProperty("vlm.root"));

    @TempDir
    Path directory;

    private Environment with(String... variables) throws UsageException {
        Map<String, String> values = new HashMap<>();
        for (String variable : variables) {
            int equals = variable.indexOf('=');
            values.put(variable.substring(0, equals), variable.substring(equals + 1));
        }
        return Environment.of(directory, directory, values, "false", "Linux", 3);
    }

    /** A directory of PATH with these tools. */
    private Path tools(String... names) throws IOException {
        Path tools = Files.createDirectories(directory.resolve(String.join(" and ", names)));
        for (String name : names) {
            Path tool = Files.writeString(tools.resolve(name), "");
            Files.setPosixFilePermissions(tool, PosixFilePermissions.fromString("rwxr-xr-x"));
        }
        return tools;
    }

    @Test
    void nothingIsSet() throws Exception {
        assertThat(with())
                .isEqualTo(new Environment(
                        directory,
                        directory.resolve(".vlm"),
                        directory.resolve("launcher/target/suite"),
                        directory.resolve("models"),
                        directory,
                        8080,
                        false,
                        true,
                        3,
                        new Wrappers(List.of(), List.of()),
                        ProcessIdentity.of(Source.PROC)));
        assertThat(with(
                        "VLM_HOME=",
                        "VLM_PORT=",
                        "VLM_AOT_CACHES=",
                        "VLM_AOT_TRAININGS=",
                        "VLM_DETACH=",
                        "VLM_NICE=",
                        "VLM_PROCESS_IDENTITY="))
                .as("an empty variable is none")
                .isEqualTo(with());
        assertThat(with("VLM_AOT_CACHES=auto", "VLM_DETACH=auto", "VLM_NICE=auto", "VLM_PROCESS_IDENTITY=auto"))
                .isEqualTo(with());
    }

    @Test
    void eachIsObeyed() throws Exception {
        assertThat(with("VLM_HOME=/a b").home()).isEqualTo(Path.of("/a b"));
        assertThat(with("VLM_HOME=a").home()).isEqualTo(directory.resolve("a"));
        assertThat(with("VLM_PORT=9").port()).isEqualTo(9);
        assertThat(with("VLM_AOT_CACHES=true").aotCaches()).isTrue();
        assertThat(with("VLM_AOT_CACHES=false").aotCaches()).isFalse();
        assertThat(with("VLM_AOT_TRAININGS=1").aotTrainings()).isEqualTo(1);
        assertThat(with("VLM_PROCESS_IDENTITY=proc").identities()).isEqualTo(ProcessIdentity.of(Source.PROC));
        assertThat(with("VLM_PROCESS_IDENTITY=start-time").identities())
                .isEqualTo(ProcessIdentity.of(Source.START_TIME));
        for (String terminal : new String[] {"true", "false"}) {
            assertThat(Environment.of(directory, directory, Map.of(), terminal, "Linux", 1)
                            .terminal())
                    .isEqualTo(Boolean.parseBoolean(terminal));
        }
        assertThat(Environment.of(directory, directory, Map.of(), "false", "Mac OS X", 1)
                        .identities())
                .isEqualTo(ProcessIdentity.of(Source.START_TIME));
    }

    @Test
    void whatIsOnPathDecidesUnlessOneIsNamed() throws Exception {
        Path both = tools("setsid", "nohup");
        Path one = tools("nohup");
        Path nice = tools("nice");
        assertThat(with("PATH=" + nice + ":" + both).wrappers())
                .isEqualTo(new Wrappers(List.of(both + "/setsid"), List.of(nice + "/nice", "-n", "10")));
        assertThat(with("PATH=" + one).wrappers())
                .isEqualTo(new Wrappers(List.of(one + "/nohup"), List.of()))
                .satisfies(wrappers -> assertThat(wrappers.background()).isEqualTo(wrappers.detached()));
        assertThat(with("PATH=:relative:" + nice).wrappers().background()).containsExactly(nice + "/nice", "-n", "10");

        assertThat(with("PATH=" + both, "VLM_DETACH=setsid").wrappers().detached())
                .containsExactly(both + "/setsid");
        assertThat(with("PATH=" + both, "VLM_DETACH=nohup").wrappers().detached())
                .containsExactly(both + "/nohup");
        assertThat(with("PATH=" + both, "VLM_DETACH=none").wrappers().detached())
                .isEmpty();
        assertThat(with("PATH=" + nice, "VLM_NICE=true").wrappers().background())
                .containsExactly(nice + "/nice", "-n", "10");
        assertThat(with("PATH=" + nice, "VLM_NICE=false").wrappers().background())
                .isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "VLM_PORT=http              | VLM_PORT http; expected a whole number from 1 to 65535",
                "VLM_PORT=65536             | VLM_PORT 65536; expected a whole number from 1 to 65535",
                "VLM_AOT_CACHES=yes         | VLM_AOT_CACHES=yes; expected one of: auto, true, false",
                "VLM_AOT_TRAININGS=0        | VLM_AOT_TRAININGS 0; expected a whole number from 1",
                "VLM_DETACH=screen          | VLM_DETACH=screen; expected one of: auto, setsid, nohup, none",
                "VLM_DETACH=setsid          | VLM_DETACH asks for setsid, which is not on PATH; hint: VLM_DETACH=auto",
                "VLM_DETACH=nohup           | VLM_DETACH asks for nohup, which is not on PATH",
                "VLM_NICE=1                 | VLM_NICE=1; expected one of: auto, true, false",
                "VLM_NICE=true              | VLM_NICE asks for nice, which is not on PATH",
                "VLM_PROCESS_IDENTITY=pid   | VLM_PROCESS_IDENTITY=pid; expected one of: auto, proc, start-time",
            })
    void refusesWhatMakesNoSense(String variable, String message) {
        assertThatThrownBy(() -> with(variable))
                .isInstanceOf(UsageException.class)
                .hasMessageStartingWith(message);
    }

    @Test
    void refusesAnAnswerThatIsNoneToWhetherThereIsATerminal() {
        assertThatThrownBy(() -> Environment.of(directory, directory, Map.of(), "yes", "Linux", 1))
                .isInstanceOf(UsageException.class)
                .hasMessage("VLM_TERMINAL=yes; expected one of: auto, true, false");
    }

    /** Scripts included. */
    @Test
    void eachVariableThatIsReadIsInTheHelp() throws Exception {
        Set<String> read = new TreeSet<>();
        for (String file : new String[] {
            "bin/vlm",
            "launcher/src/main/sh/tools.sh",
            "launcher/src/main/sh/sources.sh",
            "launcher/src/main/java/org/vlmserve/launcher/Environment.java"
        }) {
            Pattern.compile("VLM_[A-Z_]+")
                    .matcher(Files.readString(REPOSITORY.resolve(file)))
                    .results()
                    .forEach(match -> read.add(match.group()));
        }
        Set<String> told = Pattern.compile("(?m)^  (VLM_[A-Z_]+)=")
                .matcher(CommandLine.help("environment"))
                .results()
                .map(match -> match.group(1))
                .collect(Collectors.toCollection(TreeSet::new));
        assertThat(told).isEqualTo(read).hasSizeGreaterThan(8);
    }
}
