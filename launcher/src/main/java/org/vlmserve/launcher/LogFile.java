package org.vlmserve.launcher;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** What one start of a program printed. */
record LogFile(Path path) {

    private static final Pattern ERROR = Pattern.compile("\\b(ERROR|FATAL)\\b|^Error\\b|^Exception in thread");
    private static final Pattern CAUSE = Pattern.compile("^Caused by: (?:[\\w.$]+\\.)?(\\w+: .*)$");
    private static final JsonMapper JSON = JsonMapper.builder().build();
    private static final int FOLLOW_MILLIS = 200;

    /** Of the program, as in the file's name. */
    String name() {
        return path.getFileName().toString().replaceFirst("\\.log$", "");
    }

    /** Keeps what the start before this one printed, under a name that ends in {@code .1}. */
    void rotate() throws IOException {
        if (Files.exists(path)) {
            Files.move(path, path.resolveSibling(path.getFileName() + ".1"), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /**
     * The line that says best why the program stopped: what Spring says about a failed start, else the last cause in
     * the last stack trace, else the last error, else the last line.
     */
    String lastError() throws IOException {
        List<String> lines;
        try {
            lines = new String(Files.readAllBytes(path), StandardCharsets.UTF_8)
                    .lines()
                    .flatMap(LogFile::plain)
                    .map(String::strip)
                    .filter(line -> !line.isEmpty())
                    .toList();
        } catch (NoSuchFileException e) {
            return "nothing printed";
        }
        int description = lines.lastIndexOf("Description:");
        if (description >= 0 && description + 1 < lines.size()) {
            return lines.get(description + 1);
        }
        String error = "";
        String cause = "";
        for (String line : lines) {
            var causedBy = CAUSE.matcher(line);
            if (causedBy.matches()) {
                cause = causedBy.group(1);
            } else if (ERROR.matcher(line).find()) {
                error = line;
                cause = "";
            }
        }
        if (!cause.isEmpty()) {
            return cause;
        }
        return !error.isEmpty() ? error : lines.isEmpty() ? "nothing printed" : lines.getLast();
    }

    /** The lines of an entry in Elastic Common Schema as a console would show them; every other line as it is. */
    private static Stream<String> plain(String line) {
        if (!line.startsWith("{")) {
            return Stream.of(line);
        }
        try {
            JsonNode entry = JSON.readTree(line);
            String message =
                    entry.at("/log/level").asString(entry.path("log.level").asString("")) + " "
                            + entry.path("message").asString("");
            String trace = entry.at("/error/stack_trace")
                    .asString(entry.path("error.stack_trace").asString(""));
            return Stream.concat(message.lines(), trace.lines());
        } catch (JacksonException cutOff) {
            return Stream.of(line);
        }
    }

    /** Prints the file and, when following, what is added to it, until interrupted. */
    void print(PrintStream out, boolean follow) throws IOException, InterruptedException {
        ByteBuffer buffer = ByteBuffer.allocate(1 << 16);
        while (true) {
            Object file = Files.readAttributes(path, BasicFileAttributes.class).fileKey();
            try (FileChannel channel = FileChannel.open(path)) {
                boolean same = true;
                while (same) {
                    while (channel.read(buffer.clear()) > 0) {
                        out.write(buffer.array(), 0, buffer.position());
                    }
                    out.flush();
                    if (!follow) {
                        return;
                    }
                    Thread.sleep(FOLLOW_MILLIS);
                    same = isStill(file);
                }
            }
        }
    }

    /** Whether no new start of the program replaced the file. */
    private boolean isStill(Object file) throws IOException {
        try {
            return file.equals(
                    Files.readAttributes(path, BasicFileAttributes.class).fileKey());
        } catch (NoSuchFileException beingReplaced) {
            return true;
        }
    }
}
