package org.vlmserve.media.picture;

import java.io.ByteArrayOutputStream;
import java.io.DataInput;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.vlmserve.media.Orientation;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.media.StillPicture;
import org.vlmserve.media.child.ChildJob;
import org.vlmserve.media.child.ChildOutput;
import org.vlmserve.protocol.Rendering;

/**
 * Decodes a picture in a child. The result is width, height, orientation and the number of frames, 4 bytes each, and the
 * pixels as stored, [height, width, 3].
 */
public final class PictureJob implements ChildJob {

    /** Bytes of rows that are converted before they are sent. */
    private static final int BATCH = 256 << 10;

    static byte[] parameters(PictureLimits limits, Rendering rendering) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeLong(limits.maxPixels());
            out.writeLong(limits.maxBytes());
            out.writeUTF(rendering.name());
        } catch (IOException e) {
            throw new UncheckedIOException("writing to memory", e);
        }
        return bytes.toByteArray();
    }

    @Override
    public void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException {
        PictureLimits limits = new PictureLimits(parameters.readLong(), parameters.readLong());
        Rendering rendering = Rendering.valueOf(parameters.readUTF());
        DecodedPicture picture = PictureDecoder.read(file, limits, rendering, result.checkpoint());
        DataOutputStream header = new DataOutputStream(result);
        header.writeInt(picture.width());
        header.writeInt(picture.height());
        header.writeInt(picture.orientation());
        header.writeInt(picture.frames());
        int row = picture.width() * 3;
        byte[] batch = new byte[Math.max(1, BATCH / row) * row];
        int filled = 0;
        for (int y = 0; y < picture.height(); y++) {
            result.progress();
            picture.row(y, batch, filled);
            filled += row;
            if (filled == batch.length) {
                result.write(batch, 0, filled);
                filled = 0;
            }
        }
        result.write(batch, 0, filled);
    }

    /** The parent's side. What the child says of sizes is checked again. */
    static StillPicture read(DataInputStream in, PictureLimits limits) throws IOException {
        int width = in.readInt();
        int height = in.readInt();
        int orientation = in.readInt();
        int frames = in.readInt();
        if (width < 1 || height < 1 || (long) width * height > limits.maxPixels() || frames < 1) {
            throw new IOException("the child speaks of " + frames + " frames of " + width + "×" + height + " pixels");
        }
        byte[] pixels = new byte[Math.multiplyExact(Math.multiplyExact(width, height), 3)];
        in.readFully(pixels);
        return new StillPicture(Orientation.apply(new RgbPicture(width, height, pixels), orientation), frames);
    }
}
