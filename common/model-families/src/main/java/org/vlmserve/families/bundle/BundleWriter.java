package org.vlmserve.families.bundle;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import tools.jackson.databind.SerializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** Writes {@code bundle.json} as the last file of an import. */
public final class BundleWriter {

    private static final JsonMapper JSON =
            JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();
    private static final String NO_REVISION = "000000000000";
    private static final long PIECE = 16 << 20;

    private static final int BUFFER = 256 << 10;

    private BundleWriter() {}

    /**
     * Writes the manifest beside the files that it describes. The file appears whole or not at all, so that a directory
     * with a manifest is a finished bundle.
     *
     * @throws IOException as the file system gives it
     */
    public static Bundle write(Path directory, BundleManifest manifest) throws IOException {
        Path temporary = directory.resolve(Bundle.MANIFEST + ".part");
        Files.write(temporary, JSON.writeValueAsBytes(manifest));
        Files.move(temporary, directory.resolve(Bundle.MANIFEST), StandardCopyOption.ATOMIC_MOVE);
        return new Bundle(directory, manifest);
    }

    /**
     * The same manifest with the revision that its content has: a hash of every other file of the bundle and of the
     * manifest itself, without revision and import time. Two imports of one checkpoint agree. Of a file the hash covers its
     * name, its size and the hashes of its pieces, which are made on all cores.
     *
     * @throws IOException as the file system gives it
     */
    public static BundleManifest withRevision(Path directory, BundleManifest manifest) throws IOException {
        MessageDigest digest = sha256();
        List<Path> files;
        try (Stream<Path> walk = Files.walk(directory)) {
            files = walk.filter(Files::isRegularFile)
                    .filter(file -> !file.getFileName().toString().startsWith(Bundle.MANIFEST))
                    .sorted()
                    .toList();
        }
        for (Path file : files) {
            String name = directory.relativize(file).toString().replace('\\', '/');
            digest.update((name + '\0' + Files.size(file) + '\0').getBytes(StandardCharsets.UTF_8));
            digest.update(pieceHashes(file));
        }
        digest.update(JSON.writeValueAsBytes(copy(manifest, NO_REVISION, Instant.EPOCH)));
        String revision = HexFormat.of().formatHex(digest.digest()).substring(0, NO_REVISION.length());
        return copy(manifest, revision, manifest.importedAt());
    }

    /** SHA-256 of each piece of {@code file}, one after the other. */
    private static byte[] pieceHashes(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            ByteArrayOutputStream hashes = new ByteArrayOutputStream();
            LongStream.range(0, Math.ceilDiv(channel.size(), PIECE))
                    .parallel()
                    .mapToObj(i -> pieceHash(channel, i * PIECE))
                    .forEachOrdered(hashes::writeBytes);
            return hashes.toByteArray();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** Read, not mapped: every page is needed once, and a page fault costs more than a copy. */
    private static byte[] pieceHash(FileChannel channel, long from) {
        MessageDigest digest = sha256();
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
        try {
            for (long at = from; at < from + PIECE; at += buffer.position()) {
                buffer.clear().limit((int) Math.min(BUFFER, from + PIECE - at));
                if (channel.read(buffer, at) < 0) {
                    break;
                }
                digest.update(buffer.array(), 0, buffer.position());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return digest.digest();
    }

    private static BundleManifest copy(BundleManifest manifest, String revision, Instant importedAt) {
        return new BundleManifest(
                manifest.format(),
                manifest.family(),
                revision,
                manifest.precision(),
                importedAt,
                manifest.encoder(),
                manifest.projector(),
                manifest.decoder(),
                manifest.generation(),
                manifest.preprocessing(),
                manifest.prompt(),
                manifest.checkpoint(),
                manifest.chatTemplate());
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
