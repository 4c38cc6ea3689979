package org.vlmserve.families.qwen2vl;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.preprocess.BicubicResizer;
import org.vlmserve.families.preprocess.ChannelNormalizer;
import org.vlmserve.families.preprocess.FrameSampler;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.preprocess.Tile;
import org.vlmserve.media.RgbPicture;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * Naive dynamic resolution: a picture keeps its shape and takes as many patches as it needs between two bounds; so does each
 * frame of a video. A patch holds several frames, two as a rule, and the encoder attends within those only, so each such
 * group of frames is a run of its own. Follows {@code image_processing_pil_qwen2_vl.py} and
 * {@code video_processing_qwen2_vl.py} of transformers 5.18.
 *
 * <p>The encoder's inputs, with N patches in the order of 2×2 blocks (block rows, blocks, then rows and columns within):
 *
 * <ul>
 *   <li>{@code pixel_values} [N, channels · time · patch · patch], a still picture is repeated in time, and so is a
 *       last frame that stands alone
 *   <li>{@code cos}, {@code sin} [N, headDim / 2], 2-D RoPE: the first half turns with the patch's row, the second with its
 *       column
 * </ul>
 */
public final class Qwen2VlPreprocessor implements PicturePreprocessor {

    private static final int LARGEST_ASPECT_RATIO = 200;

    /** Far beyond any context; keeps the list of grids small. */
    private static final int MOST_FRAMES = 1 << 16;

    private final Qwen2VlPreprocessing numbers;
    private final ChannelNormalizer normalizer;

    public Qwen2VlPreprocessor(Qwen2VlPreprocessing numbers) {
        this.numbers = numbers;
        this.normalizer = new ChannelNormalizer(numbers.rescaleFactor(), numbers.mean(), numbers.std());
    }

    @Override
    public FrameSampler frameSampler() {
        return new Qwen2VlFrameSampler(numbers.video(), numbers.temporalPatchSize());
    }

    @Override
    public PixelLimits bounds(Medium medium) {
        return medium == Medium.VIDEO
                ? new PixelLimits(numbers.video().minPixels(), numbers.video().maxPixels())
                : new PixelLimits(numbers.minPixels(), numbers.maxPixels());
    }

    @Override
    public PictureLayout plan(PictureSource source, PixelLimits limits) {
        boolean video = source.medium() == Medium.VIDEO;
        long ownMin = video ? numbers.video().minPixels() : numbers.minPixels();
        long ownMax = video ? numbers.video().maxPixels() : numbers.maxPixels();
        long min = bound("min_pixels", limits.minPixels(), ownMin);
        long max = bound("max_pixels", limits.maxPixels(), ownMax);
        if (min > max) {
            throw new VlmException(
                    ErrorCode.PIXEL_LIMITS_INVALID,
                    "min_pixels " + min + " is above max_pixels " + max + "; the model's own limits are " + ownMin
                            + " and " + ownMax,
                    limits.minPixels() != null ? "min_pixels" : "max_pixels",
                    null);
        }
        if (source.frames() > MOST_FRAMES) {
            throw new VlmException(
                    ErrorCode.VIDEO_TOO_LONG,
                    "the video has " + source.frames() + " frames; at most " + MOST_FRAMES + " can be laid out");
        }
        long most = video ? share(source.frames(), min, max) : max;
        Size size = smartResize(source.height(), source.width(), numbers.factor(), min, most);
        int rows = size.height() / numbers.patchSize();
        int columns = size.width() / numbers.patchSize();
        int runs = Math.ceilDiv(source.frames(), numbers.temporalPatchSize());
        long patches = (long) runs * rows * columns;
        if (patches > Integer.MAX_VALUE) {
            throw new VlmException(
                    ErrorCode.PICTURE_TOO_MANY_PIXELS,
                    "the video's " + source.frames() + " frames would be resized to " + size.width() + "×"
                            + size.height() + " pixels each, " + patches + " patches; lower max_pixels");
        }
        int tokens = (int) (patches / (numbers.mergeSize() * numbers.mergeSize()));
        return new PictureLayout(
                source,
                size.width(),
                size.height(),
                Collections.nCopies(runs, new PictureLayout.Grid(1, rows, columns)),
                (int) patches,
                tokens,
                tokens);
    }

    /** The most pixels of a frame where a bound for the whole video is shared out. */
    private long share(int frames, long min, long max) {
        Integer tokens = numbers.video().maxTokens();
        if (tokens == null) {
            return max;
        }
        long whole = (long) ((double) tokens * numbers.factor() * numbers.factor() * 0.9);
        return Math.max(Math.min(max, whole * numbers.temporalPatchSize() / frames), (long) (min * 1.05));
    }

    private static long bound(String name, @Nullable Long given, long own) {
        if (given == null) {
            return own;
        }
        if (given < 1) {
            throw new VlmException(
                    ErrorCode.PIXEL_LIMITS_INVALID, name + " is " + given + "; expected at least 1", name, null);
        }
        return given;
    }

    record Size(int height, int width) {}

    /**
     * The size that is nearest to the picture's own while both sides are multiples of {@code factor} and the number of
     * pixels keeps to the bounds. Halves round to even; too large is floored, too small is ceiled.
     */
    Size smartResize(int height, int width, int factor, long minPixels, long maxPixels) {
        double ratio = (double) Math.max(height, width) / Math.min(height, width);
        if (ratio > LARGEST_ASPECT_RATIO) {
            throw new VlmException(
                    ErrorCode.PICTURE_ASPECT_RATIO,
                    "the picture is " + width + "×" + height + ", one side " + ratio + " times the other; at most "
                            + LARGEST_ASPECT_RATIO + " times is possible, crop it");
        }
        double area = (double) height * width;
        double h = Math.rint((double) height / factor) * factor;
        double w = Math.rint((double) width / factor) * factor;
        if (h * w > maxPixels) {
            double beta = Math.sqrt(area / maxPixels);
            h = Math.max(factor, Math.floor(height / beta / factor) * factor);
            w = Math.max(factor, Math.floor(width / beta / factor) * factor);
        } else if (h * w < minPixels) {
            double beta = Math.sqrt(minPixels / area);
            h = Math.ceil(height * beta / factor) * factor;
            w = Math.ceil(width * beta / factor) * factor;
        }
        double bytes = h * w / numbers.patchSize() / numbers.patchSize() * numbers.patchWidth() * Float.BYTES;
        if (bytes > Integer.MAX_VALUE) {
            throw new VlmException(
                    ErrorCode.PICTURE_TOO_MANY_PIXELS,
                    String.format("the picture would be resized to %.0f×%.0f pixels", w, h)
                            + ", which no tensor can hold; lower min_pixels or max_pixels");
        }
        return new Size((int) h, (int) w);
    }

    @Override
    public List<Tile> tiles(List<RgbPicture> frames, PictureLayout layout) {
        PictureSource source = layout.source();
        if (frames.size() != source.frames()) {
            throw new IllegalArgumentException(frames.size() + " frames, their layout was made for " + source.frames());
        }
        List<RgbPicture> resized = new ArrayList<>(frames.size());
        for (RgbPicture frame : frames) {
            if (frame.width() != source.width() || frame.height() != source.height()) {
                throw new IllegalArgumentException("the picture is " + frame.width() + "×" + frame.height()
                        + ", its layout was made for " + source.width() + "×" + source.height());
            }
            resized.add(BicubicResizer.resize(frame, layout.resizedWidth(), layout.resizedHeight()));
        }
        if (source.medium() == Medium.PICTURE) {
            return List.of(Tile.of(resized.getFirst()));
        }
        int time = numbers.temporalPatchSize();
        List<Tile> tiles = new ArrayList<>(layout.grids().size());
        for (int first = 0; first < resized.size(); first += time) {
            List<RgbPicture> run = new ArrayList<>(resized.subList(first, Math.min(first + time, resized.size())));
            while (run.size() < time) {
                run.add(resized.getLast());
            }
            tiles.add(new Tile(run));
        }
        return tiles;
    }

    @Override
    public Map<String, Tensor> encoderInputs(Tile tile, PictureLayout.Grid grid) {
        int half = numbers.ropeHeadDim() / 2;
        ByteBuffer cos = floats(grid.patches(), half);
        ByteBuffer sin = floats(grid.patches(), half);
        rotations(grid, cos.asFloatBuffer(), sin.asFloatBuffer());
        return Map.of(
                "pixel_values", patches(tile.frames(), grid),
                "cos", new Tensor(DType.F32, new int[] {grid.patches(), half}, cos),
                "sin", new Tensor(DType.F32, new int[] {grid.patches(), half}, sin));
    }

    private static ByteBuffer floats(int rows, int columns) {
        return ByteBuffer.allocateDirect(Math.multiplyExact(Math.multiplyExact(rows, columns), Float.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    /** @param frames those of a patch, or one that is repeated to fill it */
    private Tensor patches(List<RgbPicture> frames, PictureLayout.Grid grid) {
        int side = numbers.patchSize();
        int merge = numbers.mergeSize();
        int stride = frames.getFirst().width() * 3;
        int plane = side * side;
        int time = numbers.temporalPatchSize();
        float[] patch = new float[numbers.patchWidth()];
        ByteBuffer bytes = floats(grid.patches(), patch.length);
        FloatBuffer out = bytes.asFloatBuffer();
        for (int blockRow = 0; blockRow < grid.height(); blockRow += merge) {
            for (int blockColumn = 0; blockColumn < grid.width(); blockColumn += merge) {
                for (int y = blockRow; y < blockRow + merge; y++) {
                    for (int x = blockColumn; x < blockColumn + merge; x++) {
                        int corner = y * side * stride + x * side * 3;
                        for (int channel = 0; channel < 3; channel++) {
                            float[] table = normalizer.table(channel);
                            int o = channel * time * plane;
                            for (RgbPicture frame : frames) {
                                byte[] pixels = frame.pixels();
                                for (int row = 0; row < side; row++) {
                                    int i = corner + row * stride + channel;
                                    for (int column = 0; column < side; column++, i += 3) {
                                        patch[o++] = table[pixels[i] & 0xff];
                                    }
                                }
                            }
                            for (int repeat = frames.size(); repeat < time; repeat++) {
                                System.arraycopy(
                                        patch, channel * time * plane, patch, (channel * time + repeat) * plane, plane);
                            }
                        }
                        out.put(patch);
                    }
                }
            }
        }
        return new Tensor(DType.F32, new int[] {grid.patches(), patch.length}, bytes);
    }

    private void rotations(PictureLayout.Grid grid, FloatBuffer cos, FloatBuffer sin) {
        int quarter = numbers.ropeHeadDim() / 4;
        int longest = Math.max(grid.height(), grid.width());
        // [position][quarter], in float at each step, as the reference computes them
        float[][] cosines = new float[longest][quarter];
        float[][] sines = new float[longest][quarter];
        for (int f = 0; f < quarter; f++) {
            float exponent = (float) (2 * f) / (2 * quarter);
            float frequency = 1f / (float) Math.pow(numbers.ropeTheta(), exponent);
            for (int position = 0; position < longest; position++) {
                float angle = position * frequency;
                cosines[position][f] = (float) Math.cos(angle);
                sines[position][f] = (float) Math.sin(angle);
            }
        }
        int merge = numbers.mergeSize();
        for (int blockRow = 0; blockRow < grid.height(); blockRow += merge) {
            for (int blockColumn = 0; blockColumn < grid.width(); blockColumn += merge) {
                for (int y = blockRow; y < blockRow + merge; y++) {
                    for (int x = blockColumn; x < blockColumn + merge; x++) {
                        cos.put(cosines[y]).put(cosines[x]);
                        sin.put(sines[y]).put(sines[x]);
                    }
                }
            }
        }
    }
}
