package org.vlmserve.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * A model whose cache holds, for each position, a digest of the embedding and of the rotary position that were put there,
 * and whose logits are drawn from the digest of all of a slot. A cache that holds anything else than it should gives other
 * logits, and so do a wrong total, a wrong slot and a wrong copy.
 */
final class FakeTokenModel implements TokenModel {

    static final int HIDDEN = 3;

    private final int vocabulary;
    private final int contextLength;
    private final int channels;
    private final long[][] cache;
    final List<String> calls = new ArrayList<>();
    int largestBatch;
    IntPredicate poisonedToken = id -> false;

    @Nullable
    Error poison;

    @Nullable
    CountDownLatch gate;

    boolean closed;

    FakeTokenModel(int slots, int contextLength, int vocabulary, int channels) {
        this.vocabulary = vocabulary;
        this.contextLength = contextLength;
        this.channels = channels;
        cache = new long[slots][contextLength];
    }

    @Override
    public int slots() {
        return cache.length;
    }

    @Override
    public int contextLength() {
        return contextLength;
    }

    @Override
    public int vocabulary() {
        return vocabulary;
    }

    @Override
    public int hidden() {
        return HIDDEN;
    }

    @Override
    public int positionChannels() {
        return channels;
    }

    @Override
    public void embed(int tokenId, float[] target, int offset) {
        target[offset] = tokenId;
        target[offset + 1] = -tokenId;
        target[offset + 2] = 0.5f;
    }

    @Override
    public void prefill(
            int slot, int past, float[] embeddings, int length, long[][] positions, float @Nullable [] logits) {
        calls.add("prefill");
        pass();
        for (int i = 0; i < length; i++) {
            cache[slot][past + i] = digest(embeddings, i, positions);
        }
        if (logits != null) {
            fill(logits, slot, past + length);
        }
    }

    @Override
    public void decode(
            int firstSlot, int count, float[] embeddings, long[][] positions, int[] totals, float[][] logits) {
        calls.add("decode");
        pass();
        largestBatch = Math.max(largestBatch, count);
        assertThat(totals).hasSize(count);
        for (int i = 0; i < count; i++) {
            cache[firstSlot + i][totals[i] - 1] = digest(embeddings, i, positions);
            fill(logits[i], firstSlot + i, totals[i]);
        }
    }

    @Override
    public void copySlot(int from, int to, int length) {
        calls.add("copy");
        System.arraycopy(cache[from], 0, cache[to], 0, length);
        // what stood behind the copy must not be relied upon
        for (int i = length; i < contextLength; i++) {
            cache[to][i] = -1;
        }
    }

    @Override
    public void close() {
        closed = true;
    }

    private void pass() {
        CountDownLatch waitFor = gate;
        if (waitFor != null) {
            try {
                waitFor.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private long digest(float[] embeddings, int row, long[][] positions) {
        assertThat(positions).hasNumberOfRows(channels);
        long digest = 17;
        for (int i = 0; i < HIDDEN; i++) {
            digest = mix(digest * 31 + Float.floatToIntBits(embeddings[row * HIDDEN + i]));
        }
        for (long[] channel : positions) {
            digest = mix(digest * 31 + channel[row]);
        }
        if (poisonedToken.test((int) embeddings[row * HIDDEN])) {
            if (poison != null) {
                throw poison;
            }
            throw new IllegalStateException("poisoned");
        }
        return digest;
    }

    private void fill(float[] logits, int slot, int total) {
        long digest = 1;
        for (int i = 0; i < total; i++) {
            digest = mix(digest + cache[slot][i]);
        }
        assertThat(logits).hasSize(vocabulary);
        for (int id = 0; id < vocabulary; id++) {
            logits[id] = (mix(digest + id) >>> 40) * 0x1.0p-24f * 8 - 4;
        }
    }

    private static long mix(long z) {
        long x = (z ^ (z >>> 32)) * 0xd6e8feb86659fd93L;
        x = (x ^ (x >>> 32)) * 0xd6e8feb86659fd93L;
        return x ^ (x >>> 32);
    }
}
