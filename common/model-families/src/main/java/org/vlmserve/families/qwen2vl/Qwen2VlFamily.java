package org.vlmserve.families.qwen2vl;

import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.prompt.ChatTemplate;
import org.vlmserve.families.prompt.HuggingFaceTokenizerFile;
import org.vlmserve.families.prompt.PromptBuilder;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Qwen2-VL. */
public final class Qwen2VlFamily implements ModelFamily {

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
                numbers, HuggingFaceTokenizerFile.of(bundle), new ChatTemplate(template, numbers.specialTokens()));
    }
}
