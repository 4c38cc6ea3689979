package org.vlmserve.decoder;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Which slot of the model's cache holds what. The rows that decode are one contiguous window of slots, because a step runs
 * over neighbours only; the prompt that prefills stands next to the window and joins it without a copy. When a row ends,
 * the row at the window's far edge takes its place. All other slots keep the caches of ended prompts, the least recently
 * used of which gives way first.
 */
final class Slots {

    private final TokenModel model;
    private final @Nullable Sequence[] rows;
    private final @Nullable Prefix[] held;
    private final long[] usedAt;
    private long clock;
    private int first;
    private int count;
    private int prefilling = -1;

    Slots(TokenModel model) {
        this.model = model;
        rows = new Sequence[model.slots()];
        held = new Prefix[model.slots()];
        usedAt = new long[model.slots()];
    }

    /** Rows that decode. */
    int count() {
        return count;
    }

    /** The rows that decode, in the order of their slots. */
    List<Sequence> rows() {
        List<Sequence> window = new ArrayList<>(count);
        for (int slot = first; slot < first + count; slot++) {
            Sequence row = rows[slot];
            if (row != null) {
                window.add(row);
            }
        }
        return window;
    }

    /**
     * Gives a prompt a slot beside the window, with as much of its beginning as any slot holds. At most one prompt at a
     * time prefills, and fewer rows than slots decode.
     *
     * @return how many positions the slot holds already; at least one is always left to prefill
     */
    int reserve(Sequence sequence) {
        Prefix wanted = sequence.prefix();
        int source = -1;
        int reused = 0;
        for (int slot = 0; slot < held.length; slot++) {
            Prefix candidate = held[slot];
            int common = candidate == null
                    ? 0
                    : Math.min(candidate.commonLength(wanted), sequence.prompt().length() - 1);
            if (common > reused) {
                source = slot;
                reused = common;
            }
        }
        int slot = place(source, reused);
        if (held[slot] != null && !(slot == source && mostly(reused, slot))) {
            setAside(slot, source);
        }
        if (source >= 0 && source != slot) {
            model.copySlot(source, slot, reused);
            usedAt[source] = ++clock;
        }
        wanted.extend(reused);
        held[slot] = wanted;
        usedAt[slot] = ++clock;
        prefilling = slot;
        if (count == 0) {
            first = slot;
        }
        return reused;
    }

    int prefilling() {
        return prefilling;
    }

    /** The prefilled prompt becomes a row of the window. */
    void join(Sequence sequence) {
        rows[prefilling] = sequence;
        first = count == 0 ? prefilling : Math.min(first, prefilling);
        count++;
        prefilling = -1;
    }

    /** The prompt that prefills ends early; what is in the cache so far stays usable. */
    void abandon(Sequence sequence) {
        if (prefilling >= 0) {
            if (!sequence.reusable() || sequence.prefix().length() == 0) {
                held[prefilling] = null;
            }
            prefilling = -1;
        }
    }

    /** A row ends; its cache is kept if it may serve another prompt. */
    void release(Sequence sequence) {
        int slot = slotOf(sequence);
        boolean prefillsAbove = prefilling == first + count;
        int edge = prefillsAbove || (prefilling < 0 && slot == first) ? first : first + count - 1;
        boolean keep = sequence.reusable() && sequence.prefix().length() > 0;
        usedAt[slot] = ++clock;
        if (slot == edge) {
            if (!keep) {
                held[slot] = null;
            }
        } else {
            Prefix ended = held[slot];
            Prefix moving = held[edge];
            Sequence mover = rows[edge];
            if (ended == null || moving == null || mover == null) {
                throw new IllegalStateException("slot " + slot + " or " + edge + " of the window is empty");
            }
            int refuge = keep ? leastRecentlyUsed(-1, -1) : -1;
            if (refuge >= 0) {
                move(slot, refuge);
            }
            move(edge, slot);
            rows[slot] = mover;
            held[edge] = null;
        }
        rows[edge] = null;
        if (edge == first) {
            first++;
        }
        count--;
    }

    /** The slot of a row of the window. */
    int slotOf(Sequence sequence) {
        for (int slot = first; slot < first + count; slot++) {
            if (rows[slot] == sequence) {
                return slot;
            }
        }
        throw new IllegalStateException("a sequence that does not decode cannot end");
    }

    /** The slot for the next prompt: beside the window, or anywhere when nothing decodes. */
    private int place(int source, int reused) {
        int best = -1;
        for (int slot = 0; slot < held.length; slot++) {
            if (count == 0 || slot == first - 1 || slot == first + count) {
                if (slot == source && mostly(reused, slot)) {
                    return slot;
                }
                if (best < 0 || older(slot, best)) {
                    best = slot;
                }
            }
        }
        return best;
    }

    /** Whether going on in this slot loses little that another prompt could use. */
    private boolean mostly(int reused, int slot) {
        Prefix prefix = held[slot];
        return prefix == null || 2 * reused >= prefix.length();
    }

    /** Moves a kept cache out of the way if a slot holds nothing, or something older. */
    private void setAside(int slot, int source) {
        int refuge = leastRecentlyUsed(slot, source);
        if (refuge >= 0 && older(refuge, slot)) {
            move(slot, refuge);
        }
    }

    private void move(int from, int to) {
        Prefix prefix = held[from];
        if (prefix != null) {
            model.copySlot(from, to, prefix.length());
            held[to] = prefix;
            usedAt[to] = usedAt[from];
        }
    }

    private int leastRecentlyUsed(int except, int exceptToo) {
        int best = -1;
        for (int slot = 0; slot < held.length; slot++) {
            boolean free = (slot < first || slot >= first + count) && slot != prefilling;
            if (free && slot != except && slot != exceptToo && (best < 0 || older(slot, best))) {
                best = slot;
            }
        }
        return best;
    }

    /** An empty slot is older than any other. */
    private boolean older(int slot, int than) {
        return held[slot] == null ? held[than] != null : held[than] != null && usedAt[slot] < usedAt[than];
    }
}
