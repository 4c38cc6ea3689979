package org.vlmserve.families.qwen2vl;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.prompt.ChatTemplate;
import org.vlmserve.families.prompt.HuggingFaceTokenizerFile;
import org.vlmserve.families.prompt.PromptBuilder;
import org.vlmserve.families.prompt.Tokenizer;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.node.ObjectNode;

/** Qwen2-VL. */
public final class Qwen2VlFamily implements ModelFamily {

    /** The split that transformers' Qwen2Tokenizer sets, whatever the file says. */
    private static final String SPLIT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
            + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    @Override
    public String id() {
        return Qwen2VlConfig.MODEL_TYPE;
    }

    @Override
    public PicturePreprocessor preprocessor(Bundle bundle) {
        return new Qwen2VlPreprocessor(Qwen2VlPreprocessing.of(bundle));
    }

    @Override
    public PromptBuilder promptBuilder(Bundle bundle) {
        String template = bundle.manifest().chatTemplate();
        if (template == null) {
            throw new VlmException(
                    ErrorCode.BUNDLE_CORRUPT,
                    bundle.directory().resolve(Bundle.MANIFEST) + ": field 'chatTemplate' is missing");
        }
        Qwen2VlPrompt numbers = Qwen2VlPrompt.of(bundle);
        return new Qwen2VlPromptBuilder(
                numbers,
                tokenizer(bundle.tokenizer().resolve("tokenizer.json"), numbers),
                new ChatTemplate(template, numbers.specialTokens()));
    }

    /** transformers takes vocabulary, merges and added tokens from the file, and builds everything else itself. */
    static Tokenizer tokenizer(Path file, Qwen2VlPrompt numbers) {
        ObjectNode json = HuggingFaceTokenizerFile.read(file);
        json.putObject("normalizer").put("type", "NFC");
        ObjectNode sequence = json.putObject("pre_tokenizer").put("type", "Sequence");
        var steps = sequence.putArray("pretokenizers");
        ObjectNode split = steps.addObject().put("type", "Split");
        split.putObject("pattern").put("Regex", SPLIT);
        split.put("behavior", "Isolated").put("invert", false);
        steps.addObject()
                .put("type", "ByteLevel")
                .put("add_prefix_space", numbers.addPrefixSpace())
                .put("trim_offsets", true)
                .put("use_regex", false);
        json.putNull("post_processor");
        json.putObject("decoder")
                .put("type", "ByteLevel")
                .put("add_prefix_space", true)
                .put("trim_offsets", true)
                .put("use_regex", true);
        if (json.path("model") instanceof ObjectNode model) {
            for (String name : List.of("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix")) {
                model.putNull(name);
            }
            for (String name : List.of("fuse_unk", "byte_fallback", "ignore_merges")) {
                model.put(name, false);
            }
        }
        return new HuggingFaceTokenizerFile(
                file, json, Set.copyOf(numbers.specialTokens().values()));
    }
}
