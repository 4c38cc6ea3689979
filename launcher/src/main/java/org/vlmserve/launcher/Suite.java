package org.vlmserve.launcher;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** The programs as {@link SuiteAssembly} put them together. */
record Suite(Path directory) {

    /** Options, class path and main class for {@code java}, with absolute paths. */
    List<String> arguments(Program program) {
        Path file = directory.resolve(program.wireName() + ".args");
        try {
            List<String> arguments = new ArrayList<>(Files.readAllLines(file));
            int classPath = arguments.indexOf("-cp") + 1;
            arguments.set(
                    classPath,
                    Stream.of(arguments.get(classPath).split(":"))
                            .map(jar -> directory.resolve(jar).toString())
                            .collect(Collectors.joining(File.pathSeparator)));
            return arguments;
        } catch (IOException e) {
            throw new VlmException(
                    ErrorCode.START_FAILED, "cannot read " + file + "; expected a built tree, hint: mvn package", e);
        }
    }

    /** Changes with every change of the program's code or libraries. */
    String fingerprint(Program program) {
        try {
            return Files.readString(directory.resolve(program.wireName() + ".sha256"))
                    .strip();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
