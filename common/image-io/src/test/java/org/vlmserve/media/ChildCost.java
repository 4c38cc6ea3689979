package org.vlmserve.media;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.vlmserve.media.child.ChildPool;
import org.vlmserve.media.child.ChildPoolConfig;
import org.vlmserve.media.picture.IsolatedPictures;
import org.vlmserve.media.picture.PictureDecoder;
import org.vlmserve.media.picture.PictureLimits;
import org.vlmserve.media.video.VideoDecoder;
import org.vlmserve.media.video.VideoLimits;
import org.vlmserve.media.video.VideoWriter;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.testing.Goldens;

/** What decoding in a child costs beside decoding here, in turns; medians. Run by {@code benchmarks/child-cost}. */
public final class ChildCost {

    private static final PictureLimits PICTURES = new PictureLimits(100_000_000, 512 << 20);
    private static final VideoLimits VIDEOS = new VideoLimits(18_000, 8_912_896, 100_000_000);
    private static final int WARM_UP = 30;

    private ChildCost() {}

    @FunctionalInterface
    private interface Work {
        void run();
    }

    public static void main(String[] args) throws IOException {
        int rounds = args.length == 0 ? 50 : Integer.parseInt(args[0]);
        ChildPoolConfig config = new ChildPoolConfig(1, 640 << 20, 1L << 30, Duration.ofSeconds(60), 1_000_000);
        long[] starts = new long[7];
        for (int i = 0; i < starts.length; i++) {
            try (ChildPool cold = new ChildPool(config)) {
                long begin = System.nanoTime();
                cold.warmUp();
                starts[i] = System.nanoTime() - begin;
            }
        }
        System.out.printf("start of a process: %.0f ms%n%n", median(starts) / 1e6);
        try (ChildPool pool = new ChildPool(config)) {
            IsolatedPictures pictures = new IsolatedPictures(pool, PICTURES, Duration.ofMinutes(1));
            System.out.println("| | here, ms | in a child, ms | more, ms |");
            System.out.println("|---|---:|---:|---:|");
            for (Map.Entry<String, byte[]> one : pictures().entrySet()) {
                byte[] file = one.getValue();
                compare(
                        one.getKey(),
                        rounds,
                        () -> PictureDecoder.still(file, PICTURES, Rendering.VIEWER),
                        () -> pictures.read(file, Rendering.VIEWER, () -> {}));
            }
            VideoDecoder here = VideoDecoder.here(VIDEOS);
            VideoDecoder there = VideoDecoder.isolated(pool, VIDEOS, Duration.ofMinutes(1));
            for (int width : new int[] {320, 1280}) {
                byte[] clip = VideoWriter.mp4(30).write(VideoWriter.colours(90, width, width * 9 / 16));
                compare(
                        "H.264, 90 frames of %d × %d, 8 taken".formatted(width, width * 9 / 16),
                        Math.max(5, rounds / 3),
                        () -> eight(here, clip),
                        () -> eight(there, clip));
            }
        }
    }

    private static void eight(VideoDecoder decoder, byte[] clip) {
        var unused = decoder.decode(
                clip,
                stream ->
                        IntStream.range(0, 8).map(i -> i * stream.frames() / 8).toArray(),
                () -> {});
    }

    private static Map<String, byte[]> pictures() throws IOException {
        Map<String, byte[]> all = new LinkedHashMap<>();
        all.put("WebP, 37 × 23", Files.readAllBytes(Goldens.find().file("pixels/decode/sources/webp-lossy.webp")));
        int[][] sizes = {{308, 364}, {1024, 768}, {4000, 3000}};
        for (int[] size : sizes) {
            all.put("JPEG, %d × %d".formatted(size[0], size[1]), encoded(size[0], size[1], "jpg"));
        }
        all.put("TIFF, 1024 × 768", encoded(1024, 768, "tiff"));
        return all;
    }

    /** Smooth areas with some noise, as photographs have them. */
    private static byte[] encoded(int width, int height, String format) throws IOException {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Random random = new Random(1);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int noise = random.nextInt(12);
                image.setRGB(x, y, (x * 200 / width + noise) << 16 | (y * 200 / height + noise) << 8 | 90 + noise);
            }
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        if (!ImageIO.write(image, format, out)) {
            throw new IOException("no writer for " + format);
        }
        return out.toByteArray();
    }

    private static void compare(String name, int rounds, Work here, Work there) {
        for (int i = 0; i < WARM_UP; i++) {
            here.run();
            there.run();
        }
        long[] one = new long[rounds];
        long[] other = new long[rounds];
        for (int i = 0; i < rounds; i++) {
            one[i] = time(here);
            other[i] = time(there);
        }
        double a = median(one) / 1e6;
        double b = median(other) / 1e6;
        System.out.printf("| %s | %.1f | %.1f | %.1f |%n", name, a, b, b - a);
    }

    private static long time(Work work) {
        long begin = System.nanoTime();
        work.run();
        return System.nanoTime() - begin;
    }

    private static double median(long[] times) {
        long[] sorted = times.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
