package org.vlmserve.onnx;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * A decoder graph and its key-value cache.
 *
 * <p>The cache of a layer is one tensor [slots, kvHeads, T, headDim] for keys and one for values. A slot is contiguous, so any
 * run of slots is a view without a copy: a prompt is prefilled in the view of its own slot, and a decode step runs on the view
 * of the active slots, which the caller keeps next to each other with {@link #copySlot}. The graph writes the new rows in place.
 * A slot has no state but its rows: what lies behind a slot's length has no weight, so nothing needs clearing, and a longer slot
 * can be cut back by passing a smaller length.
 *
 * <p>A graph that attends causally takes a prompt in chunks; one whose prefix sees all of itself takes it in one piece, see
 * {@link GraphContract}.
 *
 * <p>Not thread-safe: one thread owns a decoder.
 */
public final class CausalDecoder implements AutoCloseable {

    private static final long LARGEST_BUFFER = Integer.MAX_VALUE;

    /**
     * A prefix graph looks at a multiple of this many positions. A sum over keys is then never finished by the kernels' code for
     * remainders, and more keys of weight 0 change none of its bits: a row does not depend on the length of its batch mates.
     */
    private static final int SPAN = 128;

    private final Path graph;
    private final OrtSession session;
    private final DecoderShape shape;
    private final int slots;
    private final int capacity;

    /** Whether all new tokens of a row see each other. */
    private final boolean prefix;

    /** Positions T that a slot has room for: {@link #capacity}, or the next multiple of {@link #SPAN}. */
    private final int room;

    private final Arena arena;

    /** Per layer keys, then values: [2 · layers] segments of [slots, kvHeads, T, headDim] floats. */
    private final MemorySegment[] caches;

    private final Map<View, OnnxTensor[]> views = new HashMap<>();
    private final Map<Integer, Logits> logits = new HashMap<>();
    private FloatBuffer embeds;

    /** Slots [first, first + count). */
    private record View(int first, int count) {}

    /** A buffer [rows, V] that calls write into. */
    private record Logits(FloatBuffer data, OnnxTensor tensor) {}

    @SuppressWarnings("MustBeClosedChecker") // closed with the decoder
    private CausalDecoder(Path graph, OrtSession session, DecoderShape shape, int slots, int capacity) {
        this.graph = graph;
        this.session = session;
        this.shape = shape;
        this.slots = slots;
        this.capacity = capacity;
        this.prefix = session.getInputNames().contains(GraphContract.PAST_LENGTHS);
        this.room = prefix ? span(capacity) : capacity;
        this.arena = Arena.ofShared();
        this.caches = new MemorySegment[2 * shape.layers()];
        this.embeds = allocate(Math.multiplyExact(slots, shape.hidden()));
    }

    /**
     * @param slots how many sequences the cache holds
     * @param capacity most positions T of one sequence
     * @throws VlmException {@code BUNDLE_CORRUPT} for a graph that does not load, {@code OUT_OF_MEMORY} for a cache that does not
     *     fit, {@code INVALID_REQUEST} for one whose tensors exceed 2 GiB, {@code STAGE_UNAVAILABLE} when the process is ending
     */
    public static CausalDecoder load(Path graph, DecoderShape shape, int slots, int capacity, EngineOptions options) {
        checkSize(shape, slots, capacity);
        CausalDecoder decoder = new CausalDecoder(graph, Sessions.build(graph, options), shape, slots, capacity);
        long slotBytes = slotBytes(shape, decoder.room);
        try {
            checkSize(shape, slots, decoder.room);
            for (int i = 0; i < decoder.caches.length; i++) {
                decoder.caches[i] = decoder.arena.allocate(slotBytes * slots, 64);
            }
        } catch (VlmException e) {
            decoder.close();
            throw e;
        } catch (OutOfMemoryError e) {
            decoder.close();
            throw new VlmException(
                    ErrorCode.OUT_OF_MEMORY,
                    "a cache of " + slots + " slots of " + capacity + " positions needs "
                            + slotBytes * slots * 2 * shape.layers()
                            + " bytes, more than this machine gives; lower slots or capacity",
                    e);
        }
        return decoder;
    }

    private static void checkSize(DecoderShape shape, int slots, int positions) {
        long slotBytes = slotBytes(shape, positions);
        if (slots < 1 || positions < 1 || slotBytes * slots > LARGEST_BUFFER) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST,
                    slots + " slots of " + positions + " positions need " + slotBytes * slots
                            + " bytes in each cache tensor"
                            + ", expected at most " + LARGEST_BUFFER + " and at least one of each; "
                            + Math.max(0, LARGEST_BUFFER / Math.max(1, slotBytes)) + " slots of this capacity fit");
        }
    }

    /** Bytes of a slot in each cache tensor. */
    private static long slotBytes(DecoderShape shape, int positions) {
        return (long) shape.kvHeads() * positions * shape.headDim() * Float.BYTES;
    }

    /** The next multiple of {@link #SPAN}. */
    private static int span(int positions) {
        return Math.multiplyExact(Math.ceilDiv(positions, SPAN), SPAN);
    }

    public DecoderShape shape() {
        return shape;
    }

    /** Most positions T of one slot. */
    public int capacity() {
        return capacity;
    }

    public int slots() {
        return slots;
    }

    /** Positions that a slot takes up in memory: the capacity, rounded up where the graph needs it. */
    int room() {
        return room;
    }

    /**
     * Appends {@code count} tokens to a slot that already holds {@code past}. A prefix graph takes all of a prompt at once, in an
     * empty slot, or one token.
     *
     * @param embeds [count, H], in its first {@code count · H} elements
     * @param positions [channels][count]
     * @param wantLogits whether the last row's logits are wanted: only a prompt's last chunk needs them
     * @return [V], or null without {@code wantLogits}
     */
    public float @Nullable [] prefill(
            int slot, int past, float[] embeds, int count, long[][] positions, boolean wantLogits) {
        checkSlots(slot, 1);
        if (count < 1 || past < 0 || past + count > capacity) {
            throw new IllegalArgumentException("prefill of " + count + " tokens after " + past
                    + ", expected at least one and " + "no more than " + capacity + " in all");
        }
        if (prefix && past > 0 && count > 1) {
            throw new IllegalArgumentException("prefill of " + count + " tokens after " + past
                    + ", expected all of the prompt at once: its tokens see each other");
        }
        int total = past + count;
        run(new View(slot, 1), count, embeds, positions, new int[] {total}, new long[] {count - 1L});
        return wantLogits ? row(logits(1), 0, new float[shape.vocabulary()]) : null;
    }

    /**
     * One token for each of the slots {@code [firstSlot, firstSlot + count)}.
     *
     * @param embeds [count, H], in its first {@code count · H} elements
     * @param positions [channels][count]
     * @param totals [count] length of each slot after this step, its new token included
     * @param logitsOut [count][V], written
     */
    public void decode(
            int firstSlot, int count, float[] embeds, long[][] positions, int[] totals, float[][] logitsOut) {
        checkSlots(firstSlot, count);
        long[] rows = new long[count];
        for (int i = 0; i < count; i++) {
            rows[i] = i;
            if (totals[i] < 1 || totals[i] > capacity) {
                throw new IllegalArgumentException("slot " + (firstSlot + i) + " would hold " + totals[i]
                        + " positions, expected 1 to " + capacity);
            }
        }
        run(new View(firstSlot, count), 1, embeds, positions, totals, rows);
        Logits result = logits(count);
        for (int i = 0; i < count; i++) {
            row(result, i, logitsOut[i]);
        }
    }

    /** Copies the first {@code length} positions of slot {@code from} over those of slot {@code to}. */
    public void copySlot(int from, int to, int length) {
        checkSlots(from, 1);
        checkSlots(to, 1);
        if (length < 0 || length > capacity) {
            throw new IllegalArgumentException("copy of " + length + " positions, expected 0 to " + capacity);
        }
        long row = (long) shape.headDim() * Float.BYTES;
        long head = row * room;
        for (MemorySegment cache : caches) {
            for (int h = 0; h < shape.kvHeads(); h++) {
                long source = ((long) from * shape.kvHeads() + h) * head;
                long target = ((long) to * shape.kvHeads() + h) * head;
                MemorySegment.copy(cache, source, cache, target, length * row);
            }
        }
    }

    /** What the cache holds of a slot, for tests: keys or values of a layer, [kvHeads, T, headDim]; T is {@link #room()}. */
    float[] snapshot(int layer, boolean values, int slot) {
        long slotBytes = slotBytes(shape, room);
        return caches[2 * layer + (values ? 1 : 0)]
                .asSlice(slot * slotBytes, slotBytes)
                .toArray(ValueLayout.JAVA_FLOAT);
    }

    @Override
    public void close() {
        views.values().forEach(view -> {
            for (OnnxTensor tensor : view) {
                tensor.close();
            }
        });
        views.clear();
        logits.values().forEach(buffer -> buffer.tensor().close());
        logits.clear();
        try {
            session.close();
        } catch (OrtException e) {
            throw new VlmException(ErrorCode.INTERNAL, "cannot close " + graph + ": " + e.getMessage(), e);
        } finally {
            if (arena.scope().isAlive()) {
                arena.close();
            }
        }
    }

    private void checkSlots(int first, int count) {
        if (first < 0 || count < 1 || first + count > slots) {
            throw new IllegalArgumentException(
                    "slots [" + first + ", " + (first + count) + "), expected at least one of [0, " + slots + ")");
        }
    }

    /**
     * @param embeds [view.count · newTokens, H]
     * @param positions [channels][view.count · newTokens]
     * @param rows which of the view.count · newTokens rows get logits; they land in {@link #logits(int)}
     */
    private void run(View view, int newTokens, float[] embeds, long[][] positions, int[] totals, long[] rows) {
        int batch = view.count();
        int longest = Arrays.stream(totals).limit(batch).max().orElse(0);
        Map<String, OnnxTensor> inputs = new LinkedHashMap<>();
        Map<String, OnnxValue> outputs = new LinkedHashMap<>();
        try {
            OnnxTensor[] cache = view(view);
            inputs.put(GraphContract.INPUTS_EMBEDS, embeds(embeds, batch, newTokens));
            inputs.put(GraphContract.POSITION_IDS, positions(positions, batch, newTokens));
            if (prefix) {
                long[] total = Arrays.stream(totals, 0, batch).asLongStream().toArray();
                long[] past =
                        Arrays.stream(total).map(length -> length - newTokens).toArray();
                inputs.put(GraphContract.PAST_LENGTHS, longs(past, batch));
                inputs.put(GraphContract.TOTAL_LENGTHS, longs(total, batch));
                inputs.put(GraphContract.SPAN, longs(new long[] {span(longest)}, 1));
            } else {
                int[] last = Arrays.stream(totals, 0, batch)
                        .map(length -> length - 1)
                        .toArray();
                inputs.put(GraphContract.SEQLENS_K, ints(last));
                inputs.put(GraphContract.TOTAL_SEQUENCE_LENGTH, ints(new int[] {longest}));
            }
            inputs.put(GraphContract.ROWS, longs(rows, rows.length));
            int own = inputs.size();
            for (int i = 0; i < shape.layers(); i++) {
                OnnxTensor keys = cache[2 * i];
                OnnxTensor values = cache[2 * i + 1];
                inputs.put(GraphContract.pastKey(i), keys);
                inputs.put(GraphContract.pastValue(i), values);
                outputs.put(GraphContract.presentKey(i), keys);
                outputs.put(GraphContract.presentValue(i), values);
            }
            outputs.put(GraphContract.LOGITS, logits(rows.length).tensor());
            try (OrtSession.Result ignored = session.run(inputs, outputs)) {
                // Everything was written in place.
            } finally {
                inputs.values().stream().limit(own).forEach(OnnxTensor::close);
            }
        } catch (OrtException e) {
            throw new VlmException(
                    ErrorCode.INTERNAL,
                    graph + " does not run on " + batch + " x " + newTokens + " tokens, the longest " + longest + ": "
                            + e.getMessage(),
                    e);
        }
    }

    private OnnxTensor[] view(View view) throws OrtException {
        OnnxTensor[] known = views.get(view);
        if (known != null) {
            return known;
        }
        long slotBytes = slotBytes(shape, room);
        long[] dims = {view.count(), shape.kvHeads(), room, shape.headDim()};
        OnnxTensor[] tensors = new OnnxTensor[caches.length];
        for (int i = 0; i < caches.length; i++) {
            FloatBuffer data = caches[i]
                    .asSlice(view.first() * slotBytes, view.count() * slotBytes)
                    .asByteBuffer()
                    .order(ByteOrder.nativeOrder())
                    .asFloatBuffer();
            tensors[i] = OnnxTensor.createTensor(environment(), data, dims);
        }
        views.put(view, tensors);
        return tensors;
    }

    private Logits logits(int rows) {
        return logits.computeIfAbsent(rows, count -> {
            FloatBuffer data = allocate(Math.multiplyExact(count, shape.vocabulary()));
            try {
                return new Logits(
                        data, OnnxTensor.createTensor(environment(), data, new long[] {count, shape.vocabulary()}));
            } catch (OrtException e) {
                throw new VlmException(ErrorCode.INTERNAL, "no tensor for " + count + " rows of logits", e);
            }
        });
    }

    private float[] row(Logits from, int row, float[] out) {
        from.data().get(row * shape.vocabulary(), out, 0, shape.vocabulary());
        return out;
    }

    private OnnxTensor embeds(float[] values, int batch, int newTokens) throws OrtException {
        int size = Math.multiplyExact(batch * newTokens, shape.hidden());
        if (embeds.capacity() < size) {
            embeds = allocate(size);
        }
        embeds.clear().put(values, 0, size).flip();
        return OnnxTensor.createTensor(environment(), embeds, new long[] {batch, newTokens, shape.hidden()});
    }

    private OnnxTensor positions(long[][] positions, int batch, int newTokens) throws OrtException {
        int channels = shape.positionChannels();
        int tokens = batch * newTokens;
        if (positions.length != channels) {
            throw new IllegalArgumentException(
                    positions.length + " channels of positions, expected " + channels + " for " + graph);
        }
        LongBuffer data = allocateBytes(channels * tokens * (long) Long.BYTES).asLongBuffer();
        for (long[] channel : positions) {
            data.put(channel, 0, tokens);
        }
        long[] dims = channels == 1 ? new long[] {batch, newTokens} : new long[] {channels, batch, newTokens};
        return OnnxTensor.createTensor(environment(), data.flip(), dims);
    }

    private static OnnxTensor ints(int[] values) throws OrtException {
        IntBuffer data = allocateBytes((long) values.length * Integer.BYTES).asIntBuffer();
        return OnnxTensor.createTensor(environment(), data.put(values).flip(), new long[] {values.length});
    }

    private static OnnxTensor longs(long[] values, int length) throws OrtException {
        LongBuffer data = allocateBytes((long) length * Long.BYTES).asLongBuffer();
        return OnnxTensor.createTensor(environment(), data.put(values).flip(), new long[] {length});
    }

    private static FloatBuffer allocate(int floats) {
        return allocateBytes((long) floats * Float.BYTES).asFloatBuffer();
    }

    private static ByteBuffer allocateBytes(long bytes) {
        return ByteBuffer.allocateDirect(Math.toIntExact(bytes)).order(ByteOrder.nativeOrder());
    }

    private static OrtEnvironment environment() {
        return Sessions.environment();
    }
}
