package org.vlmserve.launcher;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.vlmserve.launcher.CommandLine.UsageException;

/**
 * Where a command runs, and what it does differently from one machine to the next. Each of these choices has a default that
 * looks at the machine, and a variable that forces it: {@link CommandLine#VARIABLES} says how.
 *
 * @param root the repository
 * @param home the state directory
 * @param suite what the build put together
 * @param models where checkpoints lie
 * @param directory what relative paths on the command line start from
 * @param port the gateway's, unless the command line names one
 * @param terminal whether somebody watches standard error
 * @param aotCaches whether to make and use AOT caches
 * @param aotTrainings how many of them are made at once
 * @param wrappers how programs outlive the command
 * @param identities how processes are told apart
 */
record Environment(
        Path root,
        Path home,
        Path suite,
        Path models,
        Path directory,
        int port,
        boolean terminal,
        boolean aotCaches,
        int aotTrainings,
        Wrappers wrappers,
        ProcessIdentity identities) {

    private static final String AUTO = "auto";
    private static final int DEFAULT_PORT = 8080;

    /** What {@code bin/vlm} was called with: its variables, and the properties in which it says what only a script can see. */
    static Environment ofSystem() throws UsageException {
        return of(
                Path.of(System.getProperty("vlm.root", ".")).toAbsolutePath(),
                Path.of("").toAbsolutePath(),
                System.getenv(),
                System.getProperty("vlm.terminal", "false"),
                System.getProperty("os.name"),
                Runtime.getRuntime().availableProcessors());
    }

    /**
     * @param variables as in the environment of a process; an empty one counts as not set
     * @param terminal {@code VLM_TERMINAL}, after {@code auto} was looked up
     * @throws UsageException for a value that is none of those to choose from, or that this machine cannot have
     */
    static Environment of(
            Path root, Path directory, Map<String, String> variables, String terminal, String osName, int processors)
            throws UsageException {
        Variables values = new Variables(variables);
        return new Environment(
                root,
                directory
                        .resolve(values.text("VLM_HOME")
                                .orElse(root.resolve(".vlm").toString()))
                        .toAbsolutePath(),
                root.resolve("launcher/target/suite"),
                root.resolve("models"),
                directory,
                values.number("VLM_PORT", DEFAULT_PORT, 65_535),
                new Variables(Map.of("VLM_TERMINAL", terminal))
                        .flag("VLM_TERMINAL")
                        .orElse(false),
                values.flag("VLM_AOT_CACHES").orElse(true),
                values.number("VLM_AOT_TRAININGS", processors, Integer.MAX_VALUE),
                wrappers(values),
                identities(values, osName));
    }

    /** Lets a command that this one starts choose as this one did. */
    Map<String, String> variables() {
        return Map.of(
                "VLM_HOME", home.toString(),
                "VLM_AOT_CACHES", Boolean.toString(aotCaches),
                "VLM_AOT_TRAININGS", Integer.toString(aotTrainings));
    }

    private static Wrappers wrappers(Variables values) throws UsageException {
        List<Path> path = values.path();
        Optional<Path> nice = find("nice", path);
        Optional<Path> setsid = find("setsid", path);
        Optional<Path> nohup = find("nohup", path);
        Optional<Path> session = switch (values.choice("VLM_DETACH", AUTO, "setsid", "nohup", "none")) {
            case "setsid" -> Optional.of(required("VLM_DETACH", "setsid", setsid));
            case "nohup" -> Optional.of(required("VLM_DETACH", "nohup", nohup));
            case "none" -> Optional.empty();
            default -> setsid.or(() -> nohup);
        };
        Optional<Boolean> polite = values.flag("VLM_NICE");
        Optional<Path> priority = polite.isEmpty()
                ? nice
                : polite.get() ? Optional.of(required("VLM_NICE", "nice", nice)) : Optional.empty();
        return new Wrappers(
                session.map(tool -> List.of(tool.toString())).orElse(List.of()),
                priority.map(tool -> List.of(tool.toString(), "-n", "10")).orElse(List.of()));
    }

    private static Path required(String variable, String tool, Optional<Path> found) throws UsageException {
        return found.orElseThrow(() -> new UsageException(
                variable + " asks for " + tool + ", which is not on PATH; hint: " + variable + "=" + AUTO));
    }

    private static Optional<Path> find(String tool, List<Path> path) {
        return path.stream()
                .map(directory -> directory.resolve(tool))
                .filter(file -> Files.isRegularFile(file) && Files.isExecutable(file))
                .findFirst();
    }

    private static ProcessIdentity identities(Variables values, String osName) throws UsageException {
        return switch (values.choice("VLM_PROCESS_IDENTITY", AUTO, "proc", "start-time")) {
            case "proc" -> ProcessIdentity.of(ProcessIdentity.Source.PROC);
            case "start-time" -> ProcessIdentity.of(ProcessIdentity.Source.START_TIME);
            default -> ProcessIdentity.ofSystem(osName);
        };
    }

    private record Variables(Map<String, String> values) {

        Optional<String> text(String name) {
            return Optional.ofNullable(values.get(name)).filter(value -> !value.isEmpty());
        }

        /** The first of the choices is the default. */
        String choice(String name, String... choices) throws UsageException {
            String value = text(name).orElse(choices[0]);
            if (!List.of(choices).contains(value)) {
                throw new UsageException(name + "=" + value + "; expected one of: "
                        + Arrays.stream(choices).collect(Collectors.joining(", ")));
            }
            return value;
        }

        /** Empty for what the machine decides. */
        Optional<Boolean> flag(String name) throws UsageException {
            String value = choice(name, AUTO, "true", "false").toLowerCase(Locale.ROOT);
            return value.equals(AUTO) ? Optional.empty() : Optional.of(Boolean.valueOf(value));
        }

        int number(String name, int otherwise, int most) throws UsageException {
            Optional<String> text = text(name);
            return text.isEmpty() ? otherwise : CommandLine.number(name, text.get(), 1, most);
        }

        /** Those of {@code PATH} that are absolute: an empty or relative one would depend on where the command was typed. */
        List<Path> path() {
            return Stream.of(values.getOrDefault("PATH", "").split(Pattern.quote(File.pathSeparator)))
                    .filter(entry -> !entry.isEmpty())
                    .map(Path::of)
                    .filter(Path::isAbsolute)
                    .toList();
        }
    }
}
