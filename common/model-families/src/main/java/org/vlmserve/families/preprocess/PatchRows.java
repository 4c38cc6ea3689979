package org.vlmserve.families.preprocess;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * Cuts a picture into square patches, row by row, and scales their values: [patches, 3 · side · side], within a patch channel,
 * row, column. That is the order of a convolution's kernel, so that a patch embedding is a matrix product.
 */
public final class PatchRows {

    private static final int CHANNELS = 3;

    private PatchRows() {}

    /** @param side of a patch in pixels; both sides of the picture are multiples of it */
    public static Tensor of(RgbPicture picture, int side, ChannelNormalizer normalizer) {
        if (picture.width() % side != 0 || picture.height() % side != 0) {
            throw new IllegalArgumentException("a picture of " + picture.width() + "×" + picture.height()
                    + " pixels in patches of " + side + ", expected whole ones");
        }
        int rows = picture.height() / side;
        int columns = picture.width() / side;
        int stride = picture.width() * CHANNELS;
        byte[] pixels = picture.pixels();
        float[] patch = new float[CHANNELS * side * side];
        ByteBuffer bytes = ByteBuffer.allocateDirect(
                        Math.multiplyExact(Math.multiplyExact(rows * columns, patch.length), Float.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
        FloatBuffer out = bytes.asFloatBuffer();
        for (int y = 0; y < rows; y++) {
            for (int x = 0; x < columns; x++) {
                int corner = y * side * stride + x * side * CHANNELS;
                int o = 0;
                for (int channel = 0; channel < CHANNELS; channel++) {
                    float[] table = normalizer.table(channel);
                    for (int row = 0; row < side; row++) {
                        int i = corner + row * stride + channel;
                        for (int column = 0; column < side; column++, i += CHANNELS) {
                            patch[o++] = table[pixels[i] & 0xff];
                        }
                    }
                }
                out.put(patch);
            }
        }
        return new Tensor(DType.F32, new int[] {rows * columns, patch.length}, bytes);
    }
}
