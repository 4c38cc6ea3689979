package org.vlmserve.protocol;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * Names a picture as one tenant's model revision sees it: SHA-256 over tenant, model, pixel limits, medium, choice of frames,
 * rendering and files. Layouts, features and embeddings go by this key, never by request, so nothing is computed twice and no tenant meets another's.
 *
 * @param hex 64 hexadecimal digits
 */
public record PictureKey(String hex) {

    public PictureKey {
        if (!hex.matches("[0-9a-f]{64}")) {
            throw new IllegalArgumentException("picture key '" + hex + "': expected 64 lower-case hexadecimal digits");
        }
    }

    public static PictureKey of(String tenant, ModelRef model, PixelLimits limits, PictureFiles content) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (String part : List.of(
                    tenant,
                    model.model(),
                    model.revision(),
                    limits.minPixels() + "/" + limits.maxPixels(),
                    content.medium().wireName(),
                    content.sampling().fps() + "/" + content.sampling().numFrames(),
                    content.rendering().wireName())) {
                add(digest, part.getBytes(StandardCharsets.UTF_8));
            }
            content.files().forEach(file -> add(digest, file));
            return new PictureKey(HexFormat.of().formatHex(digest.digest()));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("SHA-256 is required of every Java platform", e);
        }
    }

    /** Each part stands behind its length, so that no choice of a tenant's name can imitate another's bytes. */
    private static void add(MessageDigest digest, byte[] part) {
        digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(0, part.length));
        digest.update(part);
    }

    /** Twelve digits: enough for a log line. */
    @Override
    public String toString() {
        return hex.substring(0, 12);
    }
}
