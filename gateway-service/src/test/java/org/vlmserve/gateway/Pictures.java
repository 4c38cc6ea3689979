package org.vlmserve.gateway;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Base64;
import javax.imageio.ImageIO;

/** Small pictures for tests. */
public final class Pictures {

    public static byte[] png(int width, int height) {
        return encoded(width, height, "png");
    }

    public static byte[] jpeg(int width, int height) {
        return encoded(width, height, "jpeg");
    }

    private static byte[] encoded(int width, int height, String format) {
        try {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ImageIO.write(new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB), format, out);
            return out.toByteArray();
        } catch (IOException e) {
            throw new AssertionError("written to memory", e);
        }
    }

    /** A PNG file of this size in bytes, if one does not look beyond its first ones. */
    public static byte[] pngOfBytes(int bytes) {
        byte[] content = new byte[bytes];
        byte[] head = png(1, 1);
        System.arraycopy(head, 0, content, 0, Math.min(head.length, bytes));
        return content;
    }

    public static String dataUrl(byte[] content) {
        return "data:image/png;base64," + Base64.getEncoder().encodeToString(content);
    }

    private Pictures() {}
}
