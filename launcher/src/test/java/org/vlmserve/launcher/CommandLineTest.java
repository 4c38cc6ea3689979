package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.launcher.CommandLine.UsageException;

class CommandLineTest {

    @Test
    void readsEachCommand() throws Exception {
        assertThat(CommandLine.parse("ask", "Why?")).isEqualTo(new Command.Ask(null, null, List.of(), "Why?"));
        assertThat(CommandLine.parse("ask", "a.png", "--model", "m", "b.jpg", "--max-tokens", "9", "Which?"))
                .isEqualTo(new Command.Ask("m", 9, List.of("a.png", "b.jpg"), "Which?"));
        assertThat(CommandLine.parse("ask", "--", "-a.png", "--why"))
                .isEqualTo(new Command.Ask(null, null, List.of("-a.png"), "--why"));
        assertThat(CommandLine.parse("ask", "-5 degrees or more?"))
                .isEqualTo(new Command.Ask(null, null, List.of(), "-5 degrees or more?"));
        assertThat(CommandLine.parse("up")).isEqualTo(new Command.Up(Map.of(), null));
        assertThat(CommandLine.parse("up", "--bundle", "m-1.5=/a=b", "--port", "8081"))
                .isEqualTo(new Command.Up(Map.of("m-1.5", "/a=b"), 8081));
        assertThat(CommandLine.parse("down")).isEqualTo(new Command.Down());
        assertThat(CommandLine.parse("status")).isEqualTo(new Command.Status());
        assertThat(CommandLine.parse("logs", "-f", "vision-encoder"))
                .isEqualTo(new Command.Logs(Program.VISION_ENCODER, true));
        assertThat(CommandLine.parse("import", "a", "b", "--force"))
                .isEqualTo(new Command.Import(List.of("a", "b", "--force")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"ask", "up", "down", "status", "logs", "import"})
    void everyCommandHasHelp(String command) throws Exception {
        assertThat(CommandLine.parse(command, "--help")).isEqualTo(new Command.Help(command));
        assertThat(CommandLine.help(command)).startsWith("vlm " + command);
        assertThat(CommandLine.OVERVIEW).contains("vlm " + command);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "ask --model                | --model without a value",
                "ask --max-tokens none Why? | --max-tokens none; expected a whole number from 1",
                "ask --max-tokens 0 Why?    | --max-tokens 0; expected a whole number from 1",
                "ask --loud Why?            | vlm ask does not take --loud",
                "up --port 70000            | --port 70000; expected a whole number from 1 to 65535",
                "up --bundle model          | --bundle model; expected NAME=DIRECTORY",
                "up --bundle a/b=c          | --bundle a/b=c; expected a name of letters",
                "up --bundle a=b --bundle a=c | --bundle a is given twice",
                "up now                     | vlm up does not take now",
                "down now                   | vlm down does not take now",
                "logs                       | logs of what?",
                "logs teapot                | no program teapot; expected one of: broker, vision-encoder",
                "sing                       | unknown command sing; expected one of: ask, down",
                "help sing                  | no help on sing",
            })
    void refusesWhatMakesNoSense(String line, String message) {
        assertThatThrownBy(() -> {
                    Command command = CommandLine.parse(line.split(" "));
                    if (command instanceof Command.Help help) {
                        CommandLine.help(help.topic());
                    }
                })
                .isInstanceOf(UsageException.class)
                .hasMessageStartingWith(message);
    }
}
