package org.vlmserve.importer;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Clock;
import java.util.List;
import java.util.Locale;
import java.util.ServiceLoader;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.bundle.BundleReader;
import org.vlmserve.families.bundle.BundleWriter;
import org.vlmserve.families.checkpoint.CheckpointConfig;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.FileContent;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.CheckpointTensor;
import org.vlmserve.importer.graph.OnnxGraph;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Imports checkpoints. A bundle is written aside, flushed to the disk and then renamed, so that a bundle under its own name is always
 * whole; whatever fails leaves nothing behind.
 */
public final class Importer {

    /** Bytes of the embedding table that are written at a time. */
    private static final long PIECE = 8 << 20;

    private final BundleStore store;
    private final Clock clock;
    private final List<Architecture> architectures;

    public Importer() {
        this(new BundleStore(), Clock.systemUTC());
    }

    Importer(BundleStore store, Clock clock) {
        this.store = store;
        this.clock = clock;
        this.architectures = ServiceLoader.load(Architecture.class).stream()
                .map(ServiceLoader.Provider::get)
                .toList();
    }

    /** Imports with a fresh {@link Importer}; refuses an existing target. */
    public static Bundle importCheckpoint(
            Path checkpoint, Path target, Precision precision, ProgressListener progress) {
        return importCheckpoint(checkpoint, target, ImportOptions.of(precision), progress);
    }

    /** Imports with a fresh {@link Importer}; refuses an existing target. */
    public static Bundle importCheckpoint(
            Path checkpoint, Path target, ImportOptions options, ProgressListener progress) {
        return new Importer().run(checkpoint, target, options, false, progress).bundle();
    }

    /**
     * @param checkpoint directory with config.json, weights and tokenizer
     * @param target directory to make
     * @param force whether an existing {@code target} is replaced; until the new bundle is whole, it stays
     * @throws VlmException {@code CHECKPOINT_UNREADABLE}, {@code CHECKPOINT_UNSUPPORTED}, {@code DISK_FULL}, or
     *     {@code INVALID_REQUEST} for a target that exists or cannot be written
     */
    public ImportResult run(
            Path checkpoint, Path target, ImportOptions options, boolean force, ProgressListener progress) {
        Path place = target.toAbsolutePath().normalize();
        Path parent = place.getParent();
        if (parent == null) {
            throw new VlmException(ErrorCode.INVALID_REQUEST, target + " is no place for a bundle; name a directory");
        }
        if (Files.exists(place) && !force) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST, target + " exists; choose another name, or replace it with --force");
        }
        Architecture architecture = architecture(checkpoint);
        if (options.visionTower() != null && !architecture.takesVisionTower()) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    "--vision-tower is " + options.visionTower() + ", and " + checkpoint + ", a checkpoint of "
                            + architecture.family() + ", holds its own; leave the option out");
        }
        Path partial = parent.resolve(
                place.getFileName() + ".partial-" + ProcessHandle.current().pid());
        Thread cleaner = new Thread(() -> delete(partial), "delete-partial-bundle");
        Warnings warnings = new Warnings();
        try (CheckpointReader reader = CheckpointReader.open(checkpoint, warnings)) {
            progress.judging();
            Blueprint blueprint = architecture.blueprint(reader, options, clock.instant(), warnings);
            ImportSummary summary = ImportSummary.of(blueprint, reader, warnings);
            Runtime.getRuntime().addShutdownHook(cleaner);
            try {
                Files.createDirectories(parent);
                long needed = size(blueprint);
                requireSpace(parent, needed);
                Files.createDirectory(partial);
                BundleManifest manifest = write(blueprint, summary, partial, needed, progress);
                replace(place, partial);
                return new ImportResult(new Bundle(target, manifest), summary);
            } catch (IOException e) {
                throw failed(e, parent, size(blueprint));
            } finally {
                delete(partial);
                Runtime.getRuntime().removeShutdownHook(cleaner);
            }
        }
    }

    private Architecture architecture(Path checkpoint) {
        if (!Files.isDirectory(checkpoint)) {
            String mistaken = Files.isRegularFile(checkpoint) ? FileContent.TEXT.mistaken(checkpoint) : null;
            throw new VlmException(
                    ErrorCode.CHECKPOINT_UNREADABLE,
                    checkpoint + " is no directory; expected a Hugging Face checkpoint with a config.json"
                            + (mistaken == null ? "" : ", and " + mistaken));
        }
        CheckpointJson config = CheckpointConfig.read(checkpoint);
        return architectures.stream()
                .filter(known -> known.reads(config))
                .findFirst()
                .orElseThrow(() -> new VlmException(
                        ErrorCode.CHECKPOINT_UNSUPPORTED,
                        checkpoint + " is a checkpoint of " + named(config) + "; supported: "
                                + String.join(
                                        ", ",
                                        architectures.stream()
                                                .map(Architecture::family)
                                                .sorted()
                                                .toList())));
    }

    /** What config.json says that a checkpoint is: its model type, and the class that made it where it names one. */
    private static String named(CheckpointJson config) {
        String modelType = config.optionalString("model_type");
        String made = config.node("architectures").path(0).asString("");
        if (modelType == null) {
            return made.isEmpty() ? "an architecture that config.json does not name" : made;
        }
        return made.isEmpty() ? modelType : modelType + " (" + made + ")";
    }

    private static long size(Blueprint blueprint) {
        return blueprint.encoder().weights().size()
                + blueprint.projector().weights().size()
                + blueprint.decoder().weights().size()
                + blueprint.embeddingBytes();
    }

    private void requireSpace(Path parent, long needed) throws IOException {
        long available = store.availableBytes(parent);
        if (available < needed) {
            throw diskFull(parent, needed, available, null);
        }
    }

    private BundleManifest write(
            Blueprint blueprint, ImportSummary summary, Path directory, long total, ProgressListener progress)
            throws IOException {
        progress.started(total);
        Bundle bundle = new Bundle(directory, blueprint.manifest());
        ExecutorService workers =
                Executors.newFixedThreadPool(Math.min(8, Runtime.getRuntime().availableProcessors()));
        try {
            writeGraph(blueprint.encoder(), bundle.encoderGraph(), workers, progress);
            writeGraph(blueprint.projector(), bundle.projectorGraph(), workers, progress);
            writeGraph(blueprint.decoder(), bundle.decoderGraph(), workers, progress);
        } finally {
            workers.shutdownNow();
            workers.close();
        }
        try (BundleFile out = store.create(bundle.decoderEmbeddings())) {
            writeEmbeddings(blueprint.embeddings(), out, progress);
            out.force();
        }
        Path tokenizer = bundle.tokenizer();
        Files.createDirectory(directory(tokenizer));
        try (BundleFile out = store.create(tokenizer)) {
            out.write(ByteBuffer.wrap(blueprint.tokenizer().content()), 0);
            out.force();
        }
        progress.finishing();
        BundleManifest whole = blueprint.manifest().with(summary.section());
        BundleWriter.write(directory, BundleWriter.withRevision(directory, whole));
        // As every stage will read it: a manifest that they refuse must fail here.
        BundleManifest manifest = BundleReader.read(directory).manifest();
        force(directory.resolve(Bundle.MANIFEST));
        try (Stream<Path> directories = Files.walk(directory)) {
            for (Path each : directories.filter(Files::isDirectory).toList()) {
                force(each);
            }
        }
        return manifest;
    }

    private static void writeEmbeddings(List<CheckpointTensor> parts, BundleFile out, ProgressListener progress)
            throws IOException {
        long at = 0;
        for (CheckpointTensor part : parts) {
            int rows = (int) Math.max(1, PIECE / Math.max(1, part.rowBytes()));
            for (int from = 0; from < part.rows(); from += rows) {
                int to = Math.min(part.rows(), from + rows);
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment piece = arena.allocate((to - from) * part.rowBytes(), Long.BYTES);
                    part.copy(from, to, piece);
                    out.write(piece.asByteBuffer(), at);
                    at += piece.byteSize();
                    progress.written(piece.byteSize());
                }
            }
        }
    }

    private void writeGraph(OnnxGraph graph, Path file, ExecutorService workers, ProgressListener progress)
            throws IOException {
        Path directory = directory(file);
        Files.createDirectory(directory);
        try (BundleFile out = store.create(directory.resolve(graph.weights().name()))) {
            graph.weights().write(out, workers, progress::written);
            out.force();
        }
        try (BundleFile out = store.create(file)) {
            out.write(ByteBuffer.wrap(graph.serialize()), 0);
            out.force();
        }
    }

    private static Path directory(Path file) {
        Path directory = file.getParent();
        if (directory == null) {
            throw new IllegalStateException(file + " has no parent");
        }
        return directory;
    }

    /** Puts {@code partial} in {@code place}'s stead. A process that dies in between leaves the old bundle beside it, whole. */
    private static void replace(Path place, Path partial) throws IOException {
        Path old = place.resolveSibling(
                place.getFileName() + ".replaced-" + ProcessHandle.current().pid());
        boolean existed = Files.exists(place);
        if (existed) {
            Files.move(place, old, StandardCopyOption.ATOMIC_MOVE);
        }
        try {
            Files.move(partial, place, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            if (existed) {
                Files.move(old, place, StandardCopyOption.ATOMIC_MOVE);
            }
            throw e;
        }
        Path parent = place.getParent();
        if (parent != null) {
            force(parent);
        }
        delete(old);
    }

    private VlmException failed(IOException e, Path parent, long needed) {
        String message = String.valueOf(e.getMessage());
        if (message.toLowerCase(Locale.ROOT).contains("no space left") || message.contains("quota exceeded")) {
            long available;
            try {
                available = store.availableBytes(parent);
            } catch (IOException unknown) {
                e.addSuppressed(unknown);
                available = 0;
            }
            return diskFull(parent, needed, available, e);
        }
        if (e instanceof AccessDeniedException) {
            return new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    parent + " may not be written (" + message + "); choose another place",
                    e);
        }
        return new VlmException(ErrorCode.INTERNAL, "the bundle cannot be written: " + e, e);
    }

    private static VlmException diskFull(Path parent, long needed, long available, @Nullable IOException cause) {
        return new VlmException(
                ErrorCode.DISK_FULL,
                parent + " has " + available + " bytes free, the bundle needs " + needed
                        + "; make room, choose another disk, or a lower --precision",
                cause);
    }

    /** Flushes a file or a directory to the disk; not every platform opens directories, and there renames are ordered anyway. */
    private static void force(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (AccessDeniedException e) {
            if (!Files.isDirectory(path)) {
                throw e;
            }
        }
    }

    private static void delete(Path directory) {
        if (!Files.exists(directory)) {
            return;
        }
        try {
            Files.walkFileTree(directory, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    Files.delete(file);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path each, @Nullable IOException failed) throws IOException {
                    Files.delete(each);
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            throw new VlmException(ErrorCode.INTERNAL, "cannot delete " + directory + ": " + e, e);
        }
    }
}
