package org.vlmserve.families.paligemma;

import java.nio.file.Path;
import java.util.Set;
import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleSections;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.prompt.HuggingFaceTokenizerFile;
import org.vlmserve.families.prompt.PromptBuilder;
import org.vlmserve.families.prompt.Tokenizer;
import tools.jackson.databind.node.ObjectNode;

/** PaliGemma and PaliGemma 2. */
public final class PaliGemmaFamily implements ModelFamily {

    private static final Set<String> FILE_AS_IT_IS = Set.of("TokenizersBackend", "PreTrainedTokenizerFast");

    @Override
    public String id() {
        return PaliGemmaConfig.MODEL_TYPE;
    }

    @Override
    public PicturePreprocessor preprocessor(Bundle bundle) {
        return new PaliGemmaPreprocessor(BundleSections.preprocessing(bundle, PaliGemmaPreprocessing.class));
    }

    @Override
    public PromptBuilder promptBuilder(Bundle bundle) {
        return new PaliGemmaPromptBuilder(
                BundleSections.prompt(bundle, PaliGemmaPrompt.class), tokenizer(bundle.tokenizer()));
    }

    /**
     * A class that knows nothing of Gemma takes the file as it is. transformers' GemmaTokenizer, which is taken where none is
     * named, takes vocabulary, merges and added tokens from it and builds everything else itself ({@code tokenization_gemma.py}
     * of 5.18).
     */
    private static Tokenizer tokenizer(Path folder) {
        Path file = folder.resolve("tokenizer.json");
        ObjectNode json = HuggingFaceTokenizerFile.read(file);
        CheckpointJson config = CheckpointJson.readIfPresent(folder.resolve("tokenizer_config.json"));
        if (config != null && FILE_AS_IT_IS.contains(config.string("tokenizer_class", ""))) {
            return new HuggingFaceTokenizerFile(file, json, Set.of());
        }
        json.putObject("normalizer")
                .put("type", "Replace")
                .put("content", "▁")
                .putObject("pattern")
                .put("String", " ");
        ObjectNode split = json.putObject("pre_tokenizer").put("type", "Split");
        split.putObject("pattern").put("String", " ");
        split.put("behavior", "MergedWithPrevious").put("invert", false);
        json.putNull("post_processor");
        ObjectNode decoder = json.putObject("decoder").put("type", "Sequence");
        var steps = decoder.putArray("decoders");
        steps.addObject()
                .put("type", "Replace")
                .put("content", " ")
                .putObject("pattern")
                .put("String", "▁");
        steps.addObject().put("type", "ByteFallback");
        steps.addObject().put("type", "Fuse");
        if (json.path("model") instanceof ObjectNode model) {
            model.putNull("dropout");
            model.putNull("continuing_subword_prefix");
            model.putNull("end_of_word_suffix");
            model.put("fuse_unk", true);
            model.put("byte_fallback", true);
            model.put("ignore_merges", false);
        }
        return new HuggingFaceTokenizerFile(file, json, Set.of());
    }
}
