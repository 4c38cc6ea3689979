package org.vlmserve.families.qwen2vl;

import java.util.HashSet;
import java.util.Set;
import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.prompt.ChatTemplate;
import org.vlmserve.families.prompt.ControlTokens;
import org.vlmserve.families.prompt.PromptBuilder;
import org.vlmserve.families.prompt.PromptTokenizer;
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
    public PromptBuilder promptBuilder(Bundle bundle, ControlTokens callers) {
        String template = bundle.manifest().chatTemplate();
        if (template == null) {
            throw new VlmException(
                    ErrorCode.BUNDLE_CORRUPT,
                    bundle.directory().resolve(Bundle.MANIFEST) + ": field 'chatTemplate' is missing");
        }
        Qwen2VlPrompt numbers = Qwen2VlPrompt.of(bundle);
        Set<String> named = new HashSet<>(numbers.specialTokens().values());
        named.add(numbers.imageToken());
        named.add(numbers.videoToken());
        return new Qwen2VlPromptBuilder(
                numbers,
                PromptTokenizer.of(bundle, callers, named),
                new ChatTemplate(template, numbers.specialTokens()));
    }
}
