package org.vlmserve.launcher;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * The state directory: {@code run/} (what runs), {@code logs/}, {@code bundles/}, {@code kafka/}, {@code aot/} and
 * {@code engine/} (what was found out about the processor). Deleting it while nothing runs loses nothing but time.
 */
record Home(Path directory) {

    private static final JsonMapper JSON = JsonMapper.builder().build();

    Path run() throws IOException {
        return Files.createDirectories(directory.resolve("run"));
    }

    /** What a program prints; the file of the start before it ends in {@code .1}. */
    Path log(String name) throws IOException {
        return Files.createDirectories(directory.resolve("logs")).resolve(name + ".log");
    }

    Path bundles() throws IOException {
        return Files.createDirectories(directory.resolve("bundles"));
    }

    Path kafka() throws IOException {
        return Files.createDirectories(directory.resolve("kafka"));
    }

    Path engine() throws IOException {
        return Files.createDirectories(directory.resolve("engine"));
    }

    Path aot() throws IOException {
        return Files.createDirectories(directory.resolve("aot"));
    }

    /**
     * Reads {@code run/NAME.json}.
     *
     * @throws VlmException {@code INTERNAL} when there is something else in it: what it told of is not forgotten on a guess
     */
    <T> Optional<T> read(String name, Class<T> type) throws IOException {
        Path file = run().resolve(name + ".json");
        try {
            return Optional.of(JSON.readValue(Files.readString(file), type));
        } catch (NoSuchFileException absent) {
            return Optional.empty();
        } catch (JacksonException e) {
            throw new VlmException(
                    ErrorCode.INTERNAL,
                    file + " is not what vlm writes: " + e.getOriginalMessage()
                            + "; expected a note of what runs, hint: end the programs of this suite by hand and delete the"
                            + " file",
                    e);
        }
    }

    /** Writes {@code run/NAME.json} at once or not at all. */
    void write(String name, Object value) throws IOException {
        Path file = run().resolve(name + ".json");
        Path draft = run().resolve(name + ".json.new");
        Files.writeString(draft, JSON.writeValueAsString(value));
        Files.move(draft, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    void forget(String name) throws IOException {
        Files.deleteIfExists(run().resolve(name + ".json"));
    }

    /** Held while the set of running programs changes. The system releases it when its holder dies. */
    Held lock(Runnable whenBusy) throws IOException {
        FileChannel channel =
                FileChannel.open(run().resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        try {
            FileLock lock = channel.tryLock();
            if (lock == null) {
                whenBusy.run();
                lock = channel.lock();
            }
            return new Held(channel);
        } catch (IOException | RuntimeException e) {
            channel.close();
            throw e;
        }
    }

    record Held(FileChannel channel) implements AutoCloseable {
        @Override
        public void close() throws IOException {
            channel.close();
        }
    }
}
