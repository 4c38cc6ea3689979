package org.vlmserve.onnx;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The names and shapes on which the graphs of a bundle and the stages agree. Dimensions: N patches of a picture, E the
 * encoder's width, G encoder rows that make one embedding (4), H the language model's width, B rows of a batch, S new
 * tokens of each, T capacity of a cache, M rows that get logits, V vocabulary.
 *
 * <h2>encoder/graph.onnx</h2>
 * {@code pixel_values} f32 [N, patch], {@code cos} and {@code sin} f32 [N, headDim / 2] → {@code features} f32 [N, E], after
 * the last block and before the merger. All N patches attend to each other: one call is one picture, or one pair of frames.
 *
 * <h2>projector/graph.onnx</h2>
 * {@code features} f32 [M, E] → {@code embeddings} f32 [M / G, H]. Groups of G rows are independent of each other.
 *
 * <h2>decoder/graph.onnx</h2>
 * {@code inputs_embeds} f32 [B, S, H], {@code position_ids} i64 [channels, B, S] ([B, S] for one channel),
 * {@code rows} i64 [M] (which of the B·S rows get logits; at least one), the rows' lengths, and for each layer
 * {@code past_key_i}, {@code past_value_i} f32 [B, kvHeads, T, headDim] → {@code logits} f32 [M, V], and for each layer
 * {@code present_key_i}, {@code present_value_i}, which must be the same buffers as their pasts: only new rows are written.
 *
 * <p>How a graph attends shows in the inputs that tell it the lengths:
 *
 * <ul>
 *   <li><b>causal</b>: {@code seqlens_k} i32 [B] (each row's total length after this call, less one) and
 *       {@code total_sequence_length} i32 [1] (the longest of them). A token sees those before it. More than one new token
 *       on top of a past is possible for B = 1 only.
 *   <li><b>prefix</b>: {@code past_lengths} and {@code total_lengths} i64 [B] (each row's length before and after this call)
 *       and {@code span} i64 [1] (how much of T is looked at: no less than any total length). All new tokens of a row see
 *       each other and what is in the cache: S > 1 is a prompt's whole prefix in an empty slot, S = 1 a step of the answer.
 * </ul>
 *
 * <p>Every graph's weights lie beside it in {@link #WEIGHTS}, and its metadata names the {@link Product} of each linear layer that is
 * not computed in float.
 */
public final class GraphContract {

    public static final String WEIGHTS = "weights.bin";

    public static final String PIXEL_VALUES = "pixel_values";
    public static final String COS = "cos";
    public static final String SIN = "sin";
    public static final String FEATURES = "features";
    public static final String EMBEDDINGS = "embeddings";

    public static final String INPUTS_EMBEDS = "inputs_embeds";
    public static final String POSITION_IDS = "position_ids";
    public static final String SEQLENS_K = "seqlens_k";
    public static final String TOTAL_SEQUENCE_LENGTH = "total_sequence_length";
    public static final String PAST_LENGTHS = "past_lengths";
    public static final String TOTAL_LENGTHS = "total_lengths";
    public static final String SPAN = "span";
    public static final String ROWS = "rows";
    public static final String LOGITS = "logits";

    /** How a linear layer with weights of few bits is computed. */
    public enum Product {
        /** Signed bytes with a scale an output channel, times activations quantised a row at a time. */
        ROWWISE_INT8,
        /** 8 bits in blocks with a scale each. */
        BLOCK_INT8,
        /** 4 bits in blocks with a scale each. */
        BLOCK_INT4;

        /** Those that a graph's metadata names. @param model its bytes */
        static Set<Product> in(byte[] model) {
            String text = new String(model, StandardCharsets.ISO_8859_1);
            return Arrays.stream(values())
                    .filter(product -> text.contains(product.name()))
                    .collect(Collectors.toCollection(() -> EnumSet.noneOf(Product.class)));
        }
    }

    private GraphContract() {}

    public static String pastKey(int layer) {
        return "past_key_" + layer;
    }

    public static String pastValue(int layer) {
        return "past_value_" + layer;
    }

    public static String presentKey(int layer) {
        return "present_key_" + layer;
    }

    public static String presentValue(int layer) {
        return "present_value_" + layer;
    }
}
