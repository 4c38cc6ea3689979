package org.vlmserve.families.checkpoint;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.checkpoint.SentencePieceModel.Piece;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Makes the {@code tokenizer.json} of a checkpoint that has only a SentencePiece {@code tokenizer.model}, as Llama's tokenizer class does
 * when it loads such a checkpoint: BPE with byte fallback, where a space is the piece "▁". What SentencePiece calls merging the two
 * pieces whose join has the best score becomes a list of merges, since better scores have smaller ids. Which tokens stand around a
 * prompt is not written down: that is for the family.
 *
 * <p>Reference: transformers 5.18, {@code LlamaTokenizer}, {@code SentencePieceExtractor}.
 */
final class SentencePieceConverter {

    /** The file that is converted. */
    public static final String MODEL = "tokenizer.model";

    private static final JsonMapper JSON = JsonMapper.shared();

    private static final String CLASS = "LlamaTokenizer";

    /**
     * @param tokenizer without added tokens
     * @param special the named tokens
     */
    record Converted(ObjectNode tokenizer, AddedVocabulary added, Map<String, String> special) {}

    private final Path checkpoint;
    private final List<Piece> pieces;

    private SentencePieceConverter(Path checkpoint) {
        this.checkpoint = checkpoint;
        this.pieces = SentencePieceModel.read(checkpoint.resolve(MODEL)).pieces();
    }

    /**
     * Reads a checkpoint's tokenizer.
     *
     * @param checkpoint a directory with {@value #MODEL}
     * @param config {@code config.json}
     * @param settings {@code tokenizer_config.json}
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} for a file that is damaged, {@code CHECKPOINT_UNSUPPORTED} for a model that is
     *     no BPE in the order of its scores, or for another class
     */
    static Converted convert(Path checkpoint, CheckpointJson config, @Nullable CheckpointJson settings) {
        for (CheckpointJson said : settings == null ? List.of(config) : List.of(settings, config)) {
            String named = said.string("tokenizer_class", "");
            if (!named.isEmpty() && !TokenizerRecipe.resolve(named).equals(CLASS)) {
                throw said.unsupported("tokenizer_class", CLASS + " where there is only a " + MODEL);
            }
        }
        return new SentencePieceConverter(checkpoint).convert(TokenizerRecipe.named(CLASS, config), settings);
    }

    private Converted convert(TokenizerRecipe recipe, @Nullable CheckpointJson settings) {
        SpecialTokens special = SpecialTokens.read(checkpoint, settings, null, recipe.defaultTokens());
        special.further(pieces.stream()
                .filter(piece ->
                        piece.type() == SentencePieceModel.CONTROL || piece.type() == SentencePieceModel.USER_DEFINED)
                .map(piece -> new AddedToken(
                        piece.text(), false, false, false, false, piece.type() == SentencePieceModel.CONTROL))
                .toList());
        ObjectNode root = JSON.createObjectNode();
        root.put("version", "1.0");
        root.set("model", model());
        AddedVocabulary added = new AddedVocabulary(root.path("model").path("vocab"));
        special.addTo(added, recipe.plainSpecialTokens());
        recipe.rebuild(root, settings, special.texts());
        return new Converted(root, added, special.texts());
    }

    private ObjectNode model() {
        ObjectNode model = JSON.createObjectNode();
        model.put("type", "BPE");
        model.putNull("dropout");
        model.putNull("unk_token");
        model.putNull("continuing_subword_prefix");
        model.putNull("end_of_word_suffix");
        model.put("fuse_unk", true);
        model.put("byte_fallback", true);
        model.put("ignore_merges", false);
        ObjectNode vocabulary = model.putObject("vocab");
        float last = Float.POSITIVE_INFINITY;
        for (int id = 0; id < pieces.size(); id++) {
            Piece piece = pieces.get(id);
            if (vocabulary.has(piece.text())) {
                throw SentencePieceModel.unreadable(
                        checkpoint.resolve(MODEL),
                        "has the piece '" + piece.text() + "' twice, as " + vocabulary.get(piece.text()) + " and "
                                + id);
            }
            if (piece.type() == SentencePieceModel.NORMAL) {
                if (piece.score() > last) {
                    throw SentencePieceModel.unsupported(
                            checkpoint.resolve(MODEL),
                            "has a better score for piece " + id
                                    + " than for one before it; supported: ids in the order of"
                                    + " scores, as SentencePiece writes them");
                }
                last = piece.score();
            }
            vocabulary.put(piece.text(), id);
        }
        ArrayNode merges = model.putArray("merges");
        for (Piece piece : pieces) {
            String text = piece.text();
            for (int cut = text.offsetByCodePoints(0, 1); cut < text.length(); cut = text.offsetByCodePoints(cut, 1)) {
                if (vocabulary.has(text.substring(0, cut)) && vocabulary.has(text.substring(cut))) {
                    merges.addArray().add(text.substring(0, cut)).add(text.substring(cut));
                }
            }
        }
        return model;
    }
}
