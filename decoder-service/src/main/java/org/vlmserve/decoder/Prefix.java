package org.vlmserve.decoder;

import java.util.Arrays;
import java.util.List;
import org.vlmserve.families.prompt.PreparedPrompt;
import org.vlmserve.protocol.PictureKey;

/**
 * What a slot's cache holds, position by position: a row of the embedding table, or a row of the picture with some key; and
 * rotary positions. Two prefixes are equal only within one tenant.
 */
final class Prefix {

    private final String tenant;
    private final boolean causal;
    private final List<PictureKey> pictureKeys;
    private final int[] picture;
    private final long[][] positions;
    private int[] rows;
    private long[] answerPositions = new long[16];
    private int length;

    /** Empty as yet; {@link #extend} says how much of the prompt is in the cache. */
    Prefix(String tenant, PreparedPrompt prompt, List<PictureKey> pictureKeys) {
        this.tenant = tenant;
        this.causal = prompt.prefill() == PreparedPrompt.Prefill.CAUSAL;
        this.pictureKeys = pictureKeys;
        this.picture = prompt.picture();
        this.positions = prompt.positions();
        this.rows = prompt.row().clone();
    }

    int length() {
        return length;
    }

    private int promptLength() {
        return picture.length;
    }

    /** The cache now holds so many positions of the prompt. */
    void extend(int promptPositions) {
        length = promptPositions;
    }

    /** The cache now holds a token of the answer too, at the same position in every channel. */
    void append(int tokenId, long position) {
        if (length == rows.length) {
            rows = Arrays.copyOf(rows, length + Math.max(16, length / 2));
        }
        int answered = length - promptLength();
        if (answered == answerPositions.length) {
            answerPositions = Arrays.copyOf(answerPositions, 2 * answered);
        }
        rows[length] = tokenId;
        answerPositions[answered] = position;
        length++;
    }

    /**
     * How many first positions of {@code wanted}'s prompt, of which none needs to be in a cache yet, this cache holds. None
     * where all of a prompt sees all of it: there each position depends on those behind it.
     */
    int commonLength(Prefix wanted) {
        if (!causal || !wanted.causal || !tenant.equals(wanted.tenant)) {
            return 0;
        }
        int most = Math.min(length, wanted.promptLength());
        for (int i = 0; i < most; i++) {
            if (rows[i] != wanted.rows[i] || !samePicture(wanted, i) || !samePosition(wanted, i)) {
                return i;
            }
        }
        return most;
    }

    private boolean samePicture(Prefix wanted, int i) {
        int mine = i < promptLength() ? picture[i] : -1;
        int theirs = wanted.picture[i];
        if (mine < 0 || theirs < 0) {
            return mine < 0 && theirs < 0;
        }
        return pictureKeys.get(mine).equals(wanted.pictureKeys.get(theirs));
    }

    private boolean samePosition(Prefix wanted, int i) {
        for (int channel = 0; channel < positions.length; channel++) {
            long mine = i < promptLength() ? positions[channel][i] : answerPositions[i - promptLength()];
            if (mine != wanted.positions[channel][i]) {
                return false;
            }
        }
        return true;
    }
}
