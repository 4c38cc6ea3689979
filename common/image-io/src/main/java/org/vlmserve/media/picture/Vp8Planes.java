package org.vlmserve.media.picture;

import com.twelvemonkeys.imageio.plugins.webp.vp8.VP8Frame;
import java.awt.Point;
import java.awt.image.BandedSampleModel;
import java.awt.image.DataBuffer;
import java.awt.image.DataBufferByte;
import java.awt.image.WritableRaster;
import java.io.IOException;
import java.lang.reflect.Field;
import javax.imageio.stream.ImageInputStream;

/**
 * A lossy WebP's luma and chroma, and their way to RGB as libwebp goes it: chroma is interpolated ("fancy upsampling",
 * {@code dsp/upsampling.c}), then converted in fixed point ({@code dsp/yuv.h}). The decoder's own conversion repeats
 * chroma samples and differs from libwebp by up to 96 of 255.
 *
 * <p>The decoder shows its planes nowhere: it converts pixel by pixel and hands each to a raster. The raster here takes the
 * pixel's YUV out of the field that the decoder keeps it in. {@code PictureDecoderTest} fails should a version move it.
 */
final class Vp8Planes extends WritableRaster {

    private final int width;
    private final int height;
    private final int chromaWidth;
    private final byte[] luma;
    private final Runnable progress;
    private final byte[] u;
    private final byte[] v;
    private byte[] current = new byte[3];

    private Vp8Planes(int width, int height, byte[] luma, Runnable progress) {
        super(
                new BandedSampleModel(DataBuffer.TYPE_BYTE, width, height, 1),
                new DataBufferByte(luma, luma.length),
                new Point());
        this.width = width;
        this.height = height;
        this.chromaWidth = (width + 1) / 2;
        this.luma = luma;
        this.progress = progress;
        this.u = new byte[chromaWidth * ((height + 1) / 2)];
        this.v = new byte[u.length];
    }

    /**
     * [height, width, 3] of RGB
     *
     * @param in at the first byte of the frame
     * @param progress told of each row
     */
    static byte[] decode(ImageInputStream in, int width, int height, Runnable progress) throws IOException {
        Vp8Planes planes = new Vp8Planes(width, height, new byte[width * height], progress);
        VP8Frame frame = new VP8Frame(in, false);
        planes.current = pixelOf(frame);
        if (!frame.decode(planes, null)) {
            throw new IOException("the bitstream holds no key frame");
        }
        return planes.rgb();
    }

    private static byte[] pixelOf(VP8Frame frame) {
        try {
            Field field = VP8Frame.class.getDeclaredField("yuv");
            field.setAccessible(true);
            return (byte[]) field.get(frame);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("this version of the WebP decoder keeps its pixels elsewhere", e);
        }
    }

    @Override
    public void setDataElements(int x, int y, Object pixel) {
        if (x == 0) {
            progress.run();
        }
        luma[y * width + x] = current[0];
        u[y / 2 * chromaWidth + x / 2] = current[1];
        v[y / 2 * chromaWidth + x / 2] = current[2];
    }

    private byte[] rgb() {
        byte[] out = new byte[width * height * 3];
        int[] us = new int[width];
        int[] vs = new int[width];
        int chromaRows = (height + 1) / 2;
        for (int y = 0; y < height; y++) {
            int near = y / 2;
            // Odd rows lean towards the chroma row below, even ones towards the one above; edges repeat.
            int far = y % 2 == 1 ? Math.min(near + 1, chromaRows - 1) : Math.max(near - 1, 0);
            interpolate(u, near, far, us);
            interpolate(v, near, far, vs);
            for (int x = 0, o = y * width * 3; x < width; x++, o += 3) {
                int light = (luma[y * width + x] & 0xff) * 19077 >> 8;
                out[o] = clip(light + (vs[x] * 26149 >> 8) - 14234);
                out[o + 1] = clip(light - (us[x] * 6419 >> 8) - (vs[x] * 13320 >> 8) + 8708);
                out[o + 2] = clip(light + (us[x] * 33050 >> 8) - 17685);
            }
        }
        return out;
    }

    /** One row of chroma at full width: 9, 3, 3 and 1 sixteenths of the four samples around, in libwebp's rounding. */
    private void interpolate(byte[] plane, int nearRow, int farRow, int[] row) {
        int near = nearRow * chromaWidth;
        int far = farRow * chromaWidth;
        row[0] = 3 * (plane[near] & 0xff) + (plane[far] & 0xff) + 2 >> 2;
        for (int x = 1; x < width; x++) {
            int left = (x - 1) / 2;
            int right = left + 1;
            if (right >= chromaWidth) {
                row[x] = 3 * (plane[near + left] & 0xff) + (plane[far + left] & 0xff) + 2 >> 2;
                continue;
            }
            // The sample that this pixel lies nearest to, its neighbour across, and the two of the far row.
            int own = x % 2 == 1 ? left : right;
            int other = x % 2 == 1 ? right : left;
            int a = plane[near + own] & 0xff;
            int b = plane[near + other] & 0xff;
            int c = plane[far + own] & 0xff;
            int d = plane[far + other] & 0xff;
            int diagonal = a + b + c + d + 8 + 2 * (b + c) >> 3;
            row[x] = diagonal + a >> 1;
        }
    }

    private static byte clip(int fixed) {
        return (byte) (fixed < 0 ? 0 : Math.min(fixed >> 6, 255));
    }
}
