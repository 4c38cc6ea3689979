package org.vlmserve.importer;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.protocol.error.VlmException;

/**
 * {@code import CHECKPOINT BUNDLE [--precision fp32|int8|int4] [--vision-tower DIR] [--chat-template FILE] [--force]}. Exits with 0,
 * with 2 for a command that is not understood, and with 1 for an import that fails, whose error is the last line on stderr.
 */
public final class ImportCommand {

    static final String USAGE = "usage: import CHECKPOINT BUNDLE [--precision fp32|int8|int4] [--vision-tower DIR]"
            + " [--chat-template FILE] [--force]";

    /** Options that take a value. */
    private static final List<String> VALUED = List.of("--precision", "--vision-tower", "--chat-template");

    /** @param force whether an existing bundle is replaced */
    private record Arguments(Path checkpoint, Path bundle, ImportOptions options, boolean force) {}

    private ImportCommand() {}

    public static void main(String[] args) {
        System.exit(run(
                args,
                System.out,
                System.err,
                System.console() != null && System.console().isTerminal()));
    }

    /** @return the exit code */
    static int run(String[] args, PrintStream out, PrintStream err, boolean terminal) {
        Arguments arguments = parse(args, err);
        if (arguments == null) {
            err.println(USAGE);
            return 2;
        }
        try {
            ImportResult result = new Importer()
                    .run(
                            arguments.checkpoint(),
                            arguments.bundle(),
                            arguments.options(),
                            arguments.force(),
                            new ProgressBar(err, terminal));
            result.summary().lines().forEach(err::println);
            Bundle bundle = result.bundle();
            out.println(bundle.directory() + " " + bundle.manifest().family() + " "
                    + bundle.manifest().precision() + " " + bundle.manifest().revision());
            return 0;
        } catch (VlmException e) {
            err.println(e.code().wireName() + " (" + e.code().number() + "): " + e.getMessage());
            return 1;
        }
    }

    private static @Nullable Arguments parse(String[] args, PrintStream err) {
        List<String> places = new ArrayList<>();
        Map<String, String> values = new HashMap<>();
        boolean force = false;
        for (int i = 0; i < args.length; i++) {
            String argument = args[i];
            int equals = argument.indexOf('=');
            String option = argument.startsWith("-") && equals > 0 ? argument.substring(0, equals) : argument;
            if (VALUED.contains(option)) {
                String value = equals > 0 ? argument.substring(equals + 1) : ++i < args.length ? args[i] : "";
                if (value.isEmpty()) {
                    err.println(option + " without a value");
                    return null;
                }
                values.put(option, value);
            } else if (argument.equals("--force")) {
                force = true;
            } else if (argument.startsWith("-")) {
                err.println("unknown option " + argument);
                return null;
            } else {
                places.add(argument);
            }
        }
        String precision = values.getOrDefault("--precision", Precision.INT8.wireName());
        var known = Precision.ofWireName(precision);
        if (known.isEmpty()) {
            err.println("--precision is '" + precision + "', expected fp32, int8 or int4");
            return null;
        }
        if (places.size() != 2) {
            err.println("expected a checkpoint and a bundle, got " + places.size() + " names");
            return null;
        }
        ImportOptions options =
                new ImportOptions(known.get(), path(values.get("--vision-tower")), path(values.get("--chat-template")));
        return new Arguments(Path.of(places.get(0)), Path.of(places.get(1)), options, force);
    }

    private static @Nullable Path path(@Nullable String value) {
        return value == null ? null : Path.of(value);
    }
}
