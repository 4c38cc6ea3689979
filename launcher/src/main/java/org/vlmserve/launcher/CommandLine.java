package org.vlmserve.launcher;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Reads the arguments of {@code vlm}. */
final class CommandLine {

    static final String OVERVIEW = """
            vlm: asks vision-language models about pictures and documents.

              vlm ask [--model NAME] [--max-tokens N] [PICTURE...] QUESTION
                                  answers on standard output
              vlm up [--bundle NAME=DIRECTORY]... [--port N]
                                  starts broker and services, and keeps them running
              vlm down            stops them
              vlm status          says what runs
              vlm logs PROGRAM [-f]
                                  shows what a program printed
              vlm import CHECKPOINT BUNDLE [--precision fp32|int8|int4] [OPTION...]
                                  makes a bundle of a Hugging Face checkpoint
              vlm COMMAND --help  says more
              vlm help environment
                                  names the variables that change where and how all this runs

            State is kept in $VLM_HOME, by default .vlm in the repository.
            """;

    /** What is not about one command but about the machine. */
    static final String VARIABLES = """
            Variables of the environment, and what decides when they are not set:

              VLM_HOME=DIRECTORY        state: what runs, logs, bundles, the broker's data; .vlm in the repository
              VLM_PORT=N                where vlm up has the gateway listen, unless --port says it; 8080
              VLM_TERMINAL=auto|true|false
                                        whether progress is one line that changes; auto: when standard error is a terminal
              VLM_AOT_CACHES=true|false whether start-up caches are made and used; true
              VLM_AOT_TRAININGS=N       how many of them are made at once; one for each processor
              VLM_DETACH=auto|setsid|nohup|none
                                        what keeps programs running when the terminal goes; auto: the first of these that
                                        is on PATH
              VLM_NICE=auto|true|false  whether caches are made at low priority; auto: when nice is on PATH
              VLM_PROCESS_IDENTITY=auto|proc|start-time
                                        how a process is told from a later one with its number: by boot and start tick in
                                        /proc, or by the time at which the system says that it began, which on Linux moves
                                        with the clock; auto: proc on Linux, start-time elsewhere
              VLM_BUILD_LOCK=auto|flock|directory
                                        what keeps two commands from building at once; auto: flock when it is on PATH
              VLM_JDK_PATH=DIR[:DIR]... JDKs, or directories with JDKs; in place of /usr/lib/jvm, /opt and others that are
                                        usual. A JDK 25 in JAVA_HOME comes first, then one whose java is on PATH
              LC_ALL, LC_CTYPE, LANG    the encoding of questions and file names; C.UTF-8 when they name none
            """;

    private static final Map<String, String> HELP =
            Map.of("ask", """
            vlm ask [--model NAME] [--max-tokens N] [PICTURE...] QUESTION

            Prints the answer, and nothing else, on standard output as it is generated. PICTURE is a file or an http(s)
            URL; a video in MP4 or WebM may stand in its place. When no suite runs, one is started for this question and stopped after it.

              --model NAME      the model to ask; by default the only one there is, or the one that models/default names
              --max-tokens N    the longest answer, in tokens
              --                what follows is no option

            Exit code 0 with an answer, 1 without one, 2 for a command line that makes no sense.
            """, "up", """
            vlm up [--bundle NAME=DIRECTORY]... [--port N]

            Starts what does not run yet and returns when every model is served. Serves each checkpoint in models/, which
            is imported at first use, and each bundle that is named.

              --bundle NAME=DIRECTORY   serves this bundle, or this checkpoint, under this name; adds to what runs
              --port N                  where the gateway listens on 127.0.0.1; by default $VLM_PORT, else 8080
            """, "down", """
            vlm down

            Stops the services and the broker. What they keep in $VLM_HOME stays.
            """, "status", """
            vlm status

            Lists the programs of the suite. Exit code 0 when all of them are ready, 1 otherwise.
            """, "logs", """
            vlm logs PROGRAM [-f]

            Prints what a program printed since its last start; -f goes on until interrupted. PROGRAM is one of:
            broker, vision-encoder, projector, decoder, gateway, importer.
            """, "import", """
            vlm import CHECKPOINT BUNDLE [--precision fp32|int8|int4] [--vision-tower DIR] [--chat-template FILE] [--force]

            Makes a bundle of a checkpoint directory, to be served with vlm up --bundle NAME=BUNDLE. Weights are read from
            safetensors files or from PyTorch's .bin files, of which nothing is executed.

              --precision P          fp32 (equal to the reference), int8 (the default) or int4
              --vision-tower DIR     the checkpoint of the vision encoder, for one that only names it (mm_vision_tower in
                                     config.json)
              --chat-template FILE   a Jinja chat template in place of the checkpoint's own
              --force                replaces BUNDLE where it exists
            """);

    private CommandLine() {}

    /** A command line that makes no sense. The message says what would. */
    static final class UsageException extends Exception {
        UsageException(String message) {
            super(message);
        }
    }

    static Command parse(String... arguments) throws UsageException {
        if (arguments.length == 0) {
            return new Command.Help(null);
        }
        String name = arguments[0];
        Deque<String> rest = new ArrayDeque<>(Arrays.asList(arguments).subList(1, arguments.length));
        if (name.equals("--help") || name.equals("-h") || name.equals("help")) {
            return new Command.Help(rest.peek());
        }
        String first = rest.peek();
        if (HELP.containsKey(name) && first != null && (first.equals("--help") || first.equals("-h"))) {
            return new Command.Help(name);
        }
        return switch (name) {
            case "ask" -> ask(rest);
            case "up" -> up(rest);
            case "down" -> nothingMore(new Command.Down(), name, rest);
            case "status" -> nothingMore(new Command.Status(), name, rest);
            case "logs" -> logs(rest);
            case "import" -> new Command.Import(List.copyOf(rest));
            case "prepare-caches" -> nothingMore(new Command.PrepareCaches(), name, rest);
            default ->
                throw new UsageException("unknown command " + name + "; expected one of: "
                        + HELP.keySet().stream().sorted().collect(Collectors.joining(", ")) + ", hint: vlm --help");
        };
    }

    static String help(@Nullable String topic) throws UsageException {
        if (topic == null) {
            return OVERVIEW;
        }
        if (topic.equals("environment")) {
            return VARIABLES;
        }
        String text = HELP.get(topic);
        if (text == null) {
            throw new UsageException("no help on " + topic + "; expected one of: "
                    + HELP.keySet().stream().sorted().collect(Collectors.joining(", ")) + ", environment");
        }
        return text;
    }

    private static Command ask(Deque<String> rest) throws UsageException {
        String model = null;
        Integer maxTokens = null;
        List<String> positional = new ArrayList<>();
        boolean options = true;
        while (!rest.isEmpty()) {
            String argument = rest.pop();
            if (!options || !argument.startsWith("-") || argument.contains(" ")) {
                positional.add(argument);
                continue;
            }
            switch (argument) {
                case "--" -> options = false;
                case "--model" -> model = value(argument, rest);
                case "--max-tokens" -> maxTokens = number(argument, value(argument, rest), 1, Integer.MAX_VALUE);
                default -> throw unknown(argument, "ask");
            }
        }
        if (positional.isEmpty()) {
            throw new UsageException("no question; expected vlm ask [PICTURE...] QUESTION, hint: vlm ask --help");
        }
        String question = positional.removeLast();
        if (question.isBlank()) {
            throw new UsageException("an empty question; expected the last argument to be what you want to know");
        }
        return new Command.Ask(model, maxTokens, List.copyOf(positional), question);
    }

    private static Command up(Deque<String> rest) throws UsageException {
        Map<String, String> bundles = new LinkedHashMap<>();
        Integer port = null;
        while (!rest.isEmpty()) {
            String argument = rest.pop();
            switch (argument) {
                case "--bundle" -> {
                    String value = value(argument, rest);
                    int equals = value.indexOf('=');
                    if (equals <= 0 || equals == value.length() - 1) {
                        throw new UsageException("--bundle " + value + "; expected NAME=DIRECTORY");
                    }
                    String name = value.substring(0, equals);
                    if (!name.matches("[A-Za-z0-9][A-Za-z0-9._-]*")) {
                        throw new UsageException(
                                "--bundle " + value + "; expected a name of letters, digits, '.', '_' and"
                                        + " '-', because topics are named after it");
                    }
                    if (bundles.put(name, value.substring(equals + 1)) != null) {
                        throw new UsageException("--bundle " + name + " is given twice; expected each name once");
                    }
                }
                case "--port" -> port = number(argument, value(argument, rest), 1, 65_535);
                default -> throw unknown(argument, "up");
            }
        }
        return new Command.Up(bundles, port);
    }

    private static Command logs(Deque<String> rest) throws UsageException {
        Program program = null;
        boolean follow = false;
        while (!rest.isEmpty()) {
            String argument = rest.pop();
            if (argument.equals("-f") || argument.equals("--follow")) {
                follow = true;
            } else if (argument.startsWith("-") || program != null) {
                throw unknown(argument, "logs");
            } else {
                program = Program.ofWireName(argument)
                        .orElseThrow(() ->
                                new UsageException("no program " + argument + "; expected one of: " + programs()));
            }
        }
        if (program == null) {
            throw new UsageException("logs of what? expected one of: " + programs());
        }
        return new Command.Logs(program, follow);
    }

    private static String programs() {
        return Arrays.stream(Program.values()).map(Program::wireName).collect(Collectors.joining(", "));
    }

    private static Command nothingMore(Command command, String name, Deque<String> rest) throws UsageException {
        if (!rest.isEmpty()) {
            throw unknown(rest.getFirst(), name);
        }
        return command;
    }

    private static String value(String option, Deque<String> rest) throws UsageException {
        String value = rest.poll();
        if (value == null) {
            throw new UsageException(option + " without a value; expected one after it");
        }
        return value;
    }

    static int number(String option, String value, int least, int most) throws UsageException {
        try {
            int number = Integer.parseInt(value);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Said below, as for a number out of range.
        }
        throw new UsageException(option + " " + value + "; expected a whole number from " + least + " to " + most);
    }

    private static UsageException unknown(String argument, String command) {
        return new UsageException(
                "vlm " + command + " does not take " + argument + "; hint: vlm " + command + " --help");
    }
}
