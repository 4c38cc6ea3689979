package org.vlmserve.families.bundle;

import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.tensor.DType;
import tools.jackson.databind.JsonNode;

/**
 * What {@code bundle.json} says. Sizes are those of the checkpoint.
 *
 * @param format version of this layout
 * @param family {@link org.vlmserve.families.ModelFamily#id()}
 * @param revision hash of the bundle's content, 12 hexadecimal digits
 * @param precision {@code fp32}, {@code int8} or {@code int4}
 * @param importedAt when the bundle was made
 * @param preprocessing the family's own numbers for pictures, read by its package only
 * @param prompt the family's own token ids and prompt numbers, read by its package only
 * @param checkpoint what its import noticed
 * @param chatTemplate Jinja source, or null for a family without one
 */
public record BundleManifest(
        int format,
        String family,
        String revision,
        String precision,
        Instant importedAt,
        Encoder encoder,
        Projector projector,
        Decoder decoder,
        Generation generation,
        JsonNode preprocessing,
        JsonNode prompt,
        Checkpoint checkpoint,
        @Nullable String chatTemplate) {

    /** The layout that this code reads and writes. */
    public static final int FORMAT = 3;

    /** @param featureWidth columns of the encoder's output */
    public record Encoder(int featureWidth) {}

    /**
     * @param rowGroup encoder rows that make one embedding row; slices are whole groups
     */
    public record Projector(int rowGroup) {}

    /**
     * @param hidden width of an embedding
     * @param vocabulary columns of the logits
     * @param contextLength most positions of prompt and answer together
     * @param positionChannels 1 for RoPE, 3 for M-RoPE
     * @param embeddingRows rows of the embedding table; learned vectors that are no tokens stand behind the vocabulary
     * @param embeddingDtype element type of the embedding table
     * @param embeddingScale what a row of the table is multiplied by when it is read, in float32; pictures' rows are not
     */
    public record Decoder(
            int hidden,
            int layers,
            int heads,
            int kvHeads,
            int headDim,
            int vocabulary,
            int contextLength,
            int positionChannels,
            int embeddingRows,
            DType embeddingDtype,
            float embeddingScale) {}

    /**
     * What the import noticed about the checkpoint.
     *
     * @param warnings sentences about what it asks for and does not get
     * @param unusedTensors names of all tensors that went into no file of the bundle
     */
    public record Checkpoint(List<String> warnings, List<String> unusedTensors) {

        /** Nothing to tell. */
        public static final Checkpoint UNREMARKABLE = new Checkpoint(List.of(), List.of());
    }

    /** The same manifest with this section in {@link #checkpoint}'s stead. */
    public BundleManifest with(Checkpoint noticed) {
        return new BundleManifest(
                format,
                family,
                revision,
                precision,
                importedAt,
                encoder,
                projector,
                decoder,
                generation,
                preprocessing,
                prompt,
                noticed,
                chatTemplate);
    }

    /** The checkpoint's {@code generation_config.json}; a null is the reference's default. */
    public record Generation(
            List<Integer> eosTokenIds,
            boolean sample,
            @Nullable Double temperature,
            @Nullable Double topP,
            @Nullable Integer topK,
            @Nullable Double minP,
            @Nullable Double repetitionPenalty,
            Length length,
            Constraints constraints) {

        /** Without bounds and constraints. */
        public Generation(
                List<Integer> eosTokenIds,
                boolean sample,
                @Nullable Double temperature,
                @Nullable Double topP,
                @Nullable Integer topK,
                @Nullable Double minP,
                @Nullable Double repetitionPenalty) {
            this(
                    eosTokenIds,
                    sample,
                    temperature,
                    topP,
                    topK,
                    minP,
                    repetitionPenalty,
                    Length.UNBOUNDED,
                    Constraints.NONE);
        }
    }

    /**
     * Bounds of an answer in tokens. A bound in new tokens comes before one of prompt and answer together.
     *
     * @param maxLength of prompt and answer together
     * @param minLength of prompt and answer together
     */
    public record Length(
            @Nullable Integer maxNewTokens,
            @Nullable Integer maxLength,
            @Nullable Integer minNewTokens,
            @Nullable Integer minLength) {

        public static final Length UNBOUNDED = new Length(null, null, null, null);
    }

    /**
     * Which tokens an answer may hold, beside what sampling says.
     *
     * @param noRepeatNgramSize length of a run of tokens that may stand only once in prompt and answer; 0 is off
     * @param suppressTokens never chosen
     * @param beginSuppressTokens not chosen as the first of an answer
     * @param badWords runs of tokens whose last is not chosen behind the others
     * @param sequenceBias what is added to the logit of a run's last token behind the others
     * @param forcedBosTokenId chosen behind a prompt of one token
     * @param forcedEosTokenIds of which one is chosen where the length is reached
     */
    public record Constraints(
            int noRepeatNgramSize,
            List<Integer> suppressTokens,
            List<Integer> beginSuppressTokens,
            List<List<Integer>> badWords,
            List<SequenceBias> sequenceBias,
            @Nullable Integer forcedBosTokenId,
            List<Integer> forcedEosTokenIds) {

        public static final Constraints NONE =
                new Constraints(0, List.of(), List.of(), List.of(), List.of(), null, List.of());
    }

    /** @param bias added to the logit of the last of {@code tokens} where the others stand before it */
    public record SequenceBias(List<Integer> tokens, double bias) {}
}
