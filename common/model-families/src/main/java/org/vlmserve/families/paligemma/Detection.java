package org.vlmserve.families.paligemma;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.Region;

/**
 * One object of an answer to {@code detect} or {@code segment}, in 1/1024 of the picture's sides. As the square that the model
 * sees is the whole picture, stretched, each axis counts for itself.
 *
 * <pre>
 * answer = object { " ; " object }
 * object = "&lt;locY1&gt;&lt;locX1&gt;&lt;locY2&gt;&lt;locX2&gt;" { "&lt;segNNN&gt;" } " " label
 * </pre>
 *
 * Source: arXiv:2407.07726, section 3.2.
 */
record Detection(String label, int top, int left, int bottom, int right) {

    private static final int STEPS = 1024;

    private static final Pattern OBJECT = Pattern.compile("((?:<loc\\d{4}>){4})(?:<seg\\d{3}>)*([^;<]*)");

    private static final int LOCATION_LENGTH = "<loc0000>".length();

    /** Every object of an answer; none for a text that holds none. What is no box, such as one that ends before it begins, is left out. */
    static List<Detection> read(String answer) {
        List<Detection> found = new ArrayList<>();
        Matcher object = OBJECT.matcher(answer);
        while (object.find()) {
            Detection detection = new Detection(
                    object.group(2).strip(),
                    location(object.group(1), 0),
                    location(object.group(1), 1),
                    location(object.group(1), 2),
                    location(object.group(1), 3));
            if (detection.isBox()) {
                found.add(detection);
            }
        }
        return found;
    }

    private static int location(String four, int index) {
        int from = index * LOCATION_LENGTH + "<loc".length();
        return Integer.parseInt(four.substring(from, from + 4));
    }

    private boolean isBox() {
        return top <= bottom && left <= right && bottom < STEPS && right < STEPS;
    }

    /** The box in pixels of the picture as it was given, the prompt's only one. */
    Region in(PictureSource picture) {
        return new Region(
                label,
                0,
                pixels(left, picture.width()),
                pixels(top, picture.height()),
                pixels(right, picture.width()),
                pixels(bottom, picture.height()));
    }

    private static double pixels(int location, int side) {
        return (double) location * side / STEPS;
    }
}
