package org.vlmserve.families.llavanext;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import org.vlmserve.families.llavanext.LlavaNextPreprocessing.Pinpoint;

/**
 * Which canvas a picture is put on, how large it is there, and which of the canvas's patches are the picture's. Follows
 * {@code select_best_resolution} and {@code get_patch_output_size} of transformers 5.18's {@code image_processing_utils.py}, and
 * {@code unpad_image} of {@code modeling_llava_next.py}, in double precision as they are.
 */
final class AnyRes {

    private AnyRes() {}

    /** The canvas that keeps most of the picture's pixels, and of those the one that wastes least; the first of equals. */
    static Pinpoint canvas(int width, int height, List<Pinpoint> pinpoints) {
        Pinpoint best = pinpoints.getFirst();
        long mostKept = 0;
        long leastWasted = Long.MAX_VALUE;
        for (Pinpoint each : pinpoints) {
            double scale = Math.min((double) each.width() / width, (double) each.height() / height);
            long scaled = (long) (width * scale) * (long) (height * scale);
            long kept = Math.min(scaled, (long) width * height);
            long wasted = (long) each.width() * each.height() - kept;
            if (kept > mostKept || kept == mostKept && wasted < leastWasted) {
                best = each;
                mostKept = kept;
                leastWasted = wasted;
            }
        }
        return best;
    }

    record Size(int width, int height) {}

    /** The picture's size on its canvas: one side is the canvas's. */
    static Size fitted(int width, int height, Pinpoint canvas) {
        double across = (double) canvas.width() / width;
        double down = (double) canvas.height() / height;
        if (across < down) {
            return new Size(canvas.width(), (int) Math.min(Math.ceil(height * across), canvas.height()));
        }
        return new Size((int) Math.min(Math.ceil(width * down), canvas.width()), canvas.height());
    }

    /**
     * The patches that remain, of a canvas of {@code columns} × {@code rows}.
     *
     * @param skippedColumns on either side
     * @param skippedRows on either side
     */
    record Unpadded(int columns, int rows, int skippedColumns, int skippedRows) {

        int keptColumns() {
            return columns - 2 * skippedColumns;
        }

        int keptRows() {
            return rows - 2 * skippedRows;
        }
    }

    /** @param width the picture's own, as {@code height} */
    static Unpadded unpadded(int width, int height, int columns, int rows) {
        if ((double) width / height > (double) columns / rows) {
            int kept = floor(height * ((double) columns / width));
            return new Unpadded(columns, rows, 0, (rows - kept) / 2);
        }
        int kept = floor(width * ((double) rows / height));
        return new Unpadded(columns, rows, (columns - kept) / 2, 0);
    }

    /** Python's {@code int(round(x, 7))}: what is a whole number but for rounding errors counts as one. */
    private static int floor(double x) {
        return new BigDecimal(x).setScale(7, RoundingMode.HALF_EVEN).intValue();
    }
}
