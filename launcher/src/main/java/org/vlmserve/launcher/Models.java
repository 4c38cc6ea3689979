package org.vlmserve.launcher;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** The checkpoints that ship with the tree, and the bundles made of them. */
final class Models {

    private static final String PRECISION = "int8";
    private static final int SAMPLES = 256;
    private static final int SAMPLE_BYTES = 16 << 10;

    private final Path directory;
    private final Home home;
    private final Suite suite;
    private final Progress progress;

    /** @param directory holds a checkpoint in each directory that has a {@code config.json} */
    Models(Path directory, Home home, Suite suite, Progress progress) {
        this.directory = directory;
        this.home = home;
        this.suite = suite;
        this.progress = progress;
    }

    /** Directories by the name that their model is served under. */
    SortedMap<String, Path> checkpoints() throws IOException {
        SortedMap<String, Path> checkpoints = new TreeMap<>();
        if (Files.isDirectory(directory)) {
            try (Stream<Path> entries = Files.list(directory)) {
                entries.filter(entry -> Files.isRegularFile(entry.resolve("config.json")))
                        .forEach(entry -> checkpoints.put(entry.getFileName().toString(), entry));
            }
        }
        return checkpoints;
    }

    /**
     * The model that is meant when none is named: the only one, else the one that {@code models/default} names.
     *
     * @throws VlmException {@code MODEL_NOT_FOUND}
     */
    String defaultOf(Collection<String> names) throws IOException {
        if (names.size() == 1) {
            return names.iterator().next();
        }
        if (names.isEmpty()) {
            throw new VlmException(
                    ErrorCode.MODEL_NOT_FOUND,
                    "no model in " + directory
                            + "; expected a directory with a checkpoint and its config.json, hint: copy one"
                            + " there, or vlm up --bundle NAME=DIRECTORY");
        }
        Path file = directory.resolve("default");
        if (!Files.exists(file)) {
            throw new VlmException(
                    ErrorCode.MODEL_NOT_FOUND,
                    "no model named and " + names.size() + " there: " + String.join(", ", names)
                            + "; expected one, hint: --model NAME, or write the name into " + file);
        }
        String name = Files.readString(file).strip();
        return require(name, names, "named in " + file);
    }

    static String require(String name, Collection<String> names, String origin) {
        if (!names.contains(name)) {
            throw new VlmException(
                    ErrorCode.MODEL_NOT_FOUND,
                    "model " + name + " (" + origin + ") is not there; expected one of: " + String.join(", ", names));
        }
        return name;
    }

    /**
     * The bundle for what an operator or {@link #checkpoints} names: the directory itself when it is a bundle, else what
     * is made of the checkpoint in it, now or by an earlier call.
     *
     * @throws VlmException {@code BUNDLE_CORRUPT} when it is neither, {@code CHECKPOINT_UNREADABLE} when the import fails
     */
    Path bundle(String name, Path source) throws IOException, InterruptedException {
        if (Files.isRegularFile(source.resolve("bundle.json"))) {
            return source;
        }
        if (!Files.isRegularFile(source.resolve("config.json"))) {
            throw new VlmException(
                    ErrorCode.BUNDLE_CORRUPT,
                    source + " holds neither bundle.json nor config.json; expected a bundle or a checkpoint for model "
                            + name + ", hint: vlm import CHECKPOINT BUNDLE");
        }
        Path bundle = home.bundles().resolve(name + "-" + key(source));
        if (!Files.exists(bundle)) {
            importCheckpoint(name, source, bundle);
        }
        return bundle;
    }

    private void importCheckpoint(String name, Path checkpoint, Path bundle) throws IOException, InterruptedException {
        String step = "importing " + name;
        progress.begin(step);
        Path draft = bundle.resolveSibling(bundle.getFileName() + ".new");
        Directories.delete(draft);
        LogFile log = new LogFile(home.log(Program.IMPORTER.wireName()));
        Process process = JavaCommand.start(
                JavaCommand.of(
                        suite,
                        Program.IMPORTER,
                        List.of(),
                        List.of(checkpoint.toString(), draft.toString(), "--precision", PRECISION)),
                home,
                log);
        try {
            int code = process.waitFor();
            if (code != 0) {
                throw new VlmException(
                        ErrorCode.CHECKPOINT_UNREADABLE,
                        "importing " + checkpoint + " failed with exit code " + code + ": " + log.lastError() + "; see "
                                + log.path());
            }
            Files.move(draft, bundle, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            process.destroyForcibly().waitFor();
            Directories.delete(draft);
        }
        progress.end(step, "done");
        try (Stream<Path> bundles = Files.list(home.bundles())) {
            for (Path older : bundles.filter(b -> isOlder(b, name, bundle)).toList()) {
                Directories.delete(older);
            }
        }
    }

    /** A service that still serves the older one has its files open and is about to be replaced. */
    private static boolean isOlder(Path bundle, String name, Path newest) {
        return !bundle.equals(newest)
                && bundle.getFileName().toString().matches(java.util.regex.Pattern.quote(name) + "-[0-9a-f]{12}");
    }

    /**
     * Changes when a file of the checkpoint or the importer does. What a file's time says is not enough: it is copied along with
     * the file, and the weights of two models of one architecture are of one size.
     */
    private String key(Path checkpoint) throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
        digest.update((suite.fingerprint(Program.IMPORTER) + PRECISION).getBytes(StandardCharsets.UTF_8));
        try (Stream<Path> files = Files.walk(checkpoint)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                String line = checkpoint.relativize(file) + " " + Files.size(file) + " "
                        + Files.getLastModifiedTime(file).toMillis() + "\n";
                digest.update(line.getBytes(StandardCharsets.UTF_8));
                sample(file, digest);
            }
        }
        return HexFormat.of().formatHex(digest.digest(), 0, 6);
    }

    /** All of a small file, and of a large one so many pieces, evenly spread, that the time does not grow with it. */
    private static void sample(Path file, MessageDigest digest) throws IOException {
        ByteBuffer piece = ByteBuffer.allocate(SAMPLE_BYTES);
        try (FileChannel channel = FileChannel.open(file)) {
            long step = Math.max(SAMPLE_BYTES, channel.size() / SAMPLES);
            for (long position = 0; position < channel.size(); position += step) {
                channel.position(position);
                piece.clear();
                while (piece.hasRemaining() && channel.read(piece) >= 0) {}
                digest.update(piece.flip());
            }
        }
    }
}
