package org.vlmserve.families.position;

import java.util.Arrays;

/**
 * Multimodal rotary positions (M-RoPE, arXiv:2409.12191, section 2.1): channels time, height and width. A text token
 * counts up in all three at once; a picture's tokens count in their own row and column from where it starts, and the next
 * text goes on after its longer side. Follows {@code get_rope_index} of transformers 5.18.
 */
public final class MropePositions {

    private static final int CHANNELS = 3;

    private long[][] positions = new long[CHANNELS][256];
    private int length;
    private long next;

    /** Adds text tokens. */
    public void text(int tokens) {
        reserve(tokens);
        for (int i = 0; i < tokens; i++, length++, next++) {
            for (long[] channel : positions) {
                channel[length] = next;
            }
        }
    }

    /** Adds a picture or video of time × height × width tokens, in this order. */
    public void picture(int time, int height, int width) {
        reserve(Math.multiplyExact(Math.multiplyExact(time, height), width));
        for (int t = 0; t < time; t++) {
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++, length++) {
                    positions[0][length] = next + t;
                    positions[1][length] = next + y;
                    positions[2][length] = next + x;
                }
            }
        }
        next += Math.max(height, width);
    }

    private void reserve(int more) {
        int needed = Math.addExact(length, more);
        if (needed > positions[0].length) {
            int capacity = Math.max(needed, positions[0].length * 2);
            for (int channel = 0; channel < CHANNELS; channel++) {
                positions[channel] = Arrays.copyOf(positions[channel], capacity);
            }
        }
    }

    /** [3][S], a copy. */
    public long[][] positions() {
        return Arrays.stream(positions)
                .map(channel -> Arrays.copyOf(channel, length))
                .toArray(long[][]::new);
    }

    /**
     * Where generated text goes on: one more than the largest position so far, as {@code generate} does. That is
     * {@link #next} except after a video longer than its sides.
     */
    public long nextPosition() {
        long largest = -1;
        for (long[] channel : positions) {
            for (int i = 0; i < length; i++) {
                largest = Math.max(largest, channel[i]);
            }
        }
        return largest + 1;
    }
}
