package org.vlmserve.protocol;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * Names a picture as one tenant's model revision sees it: SHA-256 over tenant, model, pixel limits and bytes. Layouts,
 * features and embeddings go by this key, never by request, so nothing is computed twice and no tenant meets another's.
 *
 * @param hex 64 hexadecimal digits
 */
public record PictureKey(String hex) {

    public PictureKey {
        if (hex.length() != 64) {
            throw new IllegalArgumentException("picture key of " + hex.length() + " characters, expected 64");
        }
    }

    public static PictureKey of(String tenant, ModelRef model, PixelLimits limits, byte[] content) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            String context = String.join(
                    "\0", tenant, model.model(), model.revision(), limits.minPixels() + "/" + limits.maxPixels(), "");
            digest.update(context.getBytes(StandardCharsets.UTF_8));
            return new PictureKey(HexFormat.of().formatHex(digest.digest(content)));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("SHA-256 is required of every Java platform", e);
        }
    }

    /** Twelve digits: enough for a log line. */
    @Override
    public String toString() {
        return hex.substring(0, 12);
    }
}
