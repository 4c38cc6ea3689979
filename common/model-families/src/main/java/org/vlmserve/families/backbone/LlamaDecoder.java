package org.vlmserve.families.backbone;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.protocol.tensor.DType;

/**
 * A Llama decoder (arXiv:2302.13971), or Mistral's (arXiv:2310.06825), which differs by a sliding window. An omitted key has the
 * default of transformers' class (5.18, {@code configuration_llama.py}, {@code configuration_mistral.py}).
 *
 * @param slidingWindow how many positions each position sees, itself among them; null for all before it
 * @param tied whether output layer and embedding table are one where the checkpoint has only one of them
 */
public record LlamaDecoder(
        int hidden,
        int intermediate,
        int layers,
        int heads,
        int kvHeads,
        int headDim,
        int vocabulary,
        int contextLength,
        double rmsNormEps,
        RotaryScaling rotary,
        @Nullable Integer slidingWindow,
        boolean tied,
        List<Integer> eosTokenIds) {

    private static final String MISTRAL = "mistral";

    /**
     * @param config a whole configuration
     * @param text the language model's part of it
     * @param absentType what a {@code text} without {@code model_type} is
     * @param tiedByText whether {@code tie_word_embeddings} counts in {@code text} too, and not in {@code config} alone: that is
     *     each class's own in transformers
     */
    public static LlamaDecoder read(CheckpointJson config, CheckpointJson text, String absentType, boolean tiedByText) {
        String type = text.string("model_type", absentType);
        if (!List.of("llama", MISTRAL).contains(type)) {
            throw text.unsupported("model_type", "llama, " + MISTRAL);
        }
        return read(config, text, type.equals(MISTRAL), tiedByText);
    }

    /** Of a configuration that is itself Llama's, whatever its {@code model_type}. */
    public static LlamaDecoder llama(CheckpointJson config) {
        return read(config, config, false, false);
    }

    private static LlamaDecoder read(CheckpointJson config, CheckpointJson text, boolean mistral, boolean tiedByText) {
        int hidden = text.positiveInt("hidden_size", 4096);
        int heads = text.positiveInt("num_attention_heads", 32);
        // Absent, Mistral has 8; a written null means as many as there are heads.
        int absentKvHeads = mistral && text.node("num_key_value_heads").isMissingNode() ? 8 : heads;
        int kvHeads = text.positiveInt("num_key_value_heads", absentKvHeads);
        if (heads % kvHeads != 0) {
            throw text.unreadable("num_key_value_heads", "a divisor of num_attention_heads, " + heads);
        }
        if (!text.has("head_dim") && hidden % heads != 0) {
            throw text.unreadable("num_attention_heads", "a divisor of hidden_size, " + hidden);
        }
        int headDim = text.positiveInt("head_dim", hidden / heads);
        if (headDim % 8 != 0) {
            throw text.unsupported("head_dim", "heads whose width is a multiple of 8; here it is " + headDim);
        }
        if (!text.string("hidden_act", "silu").equals("silu")) {
            throw text.unsupported("hidden_act", "silu");
        }
        for (String bias : List.of("attention_bias", "mlp_bias")) {
            if (text.booleanValue(bias, false)) {
                throw text.unsupported(bias, "false");
            }
        }
        return new LlamaDecoder(
                hidden,
                text.positiveInt("intermediate_size", mistral ? 14336 : 11008),
                text.layers("num_hidden_layers", 32),
                heads,
                kvHeads,
                headDim,
                text.positiveInt("vocab_size", 32000),
                text.positions("max_position_embeddings", mistral ? 4096 * 32 : 2048),
                text.doubleValue("rms_norm_eps", 1e-6),
                RotaryScaling.read(text, 10_000),
                mistral ? slidingWindow(text) : null,
                config.booleanValue("tie_word_embeddings", false)
                        || (tiedByText && text.booleanValue("tie_word_embeddings", false)),
                text.intOrInts("eos_token_id", config.intOrInts("eos_token_id", List.of(2))));
    }

    /** Absent, the class has 4,096; a written null is full attention. */
    private static @Nullable Integer slidingWindow(CheckpointJson text) {
        return text.node("sliding_window").isNull() ? null : Integer.valueOf(text.positiveInt("sliding_window", 4096));
    }

    /**
     * The manifest's {@code decoder} section.
     *
     * @param learnedRows vectors that are no tokens, behind the vocabulary in the embedding table
     * @param embeddingDtype as the importer writes the table
     */
    public BundleManifest.Decoder section(int learnedRows, DType embeddingDtype) {
        return new BundleManifest.Decoder(
                hidden,
                layers,
                heads,
                kvHeads,
                headDim,
                vocabulary,
                contextLength,
                1,
                vocabulary + learnedRows,
                embeddingDtype,
                1);
    }
}
