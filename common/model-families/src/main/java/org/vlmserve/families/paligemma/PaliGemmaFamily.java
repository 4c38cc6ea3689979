package org.vlmserve.families.paligemma;

import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleSections;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.prompt.HuggingFaceTokenizerFile;
import org.vlmserve.families.prompt.PromptBuilder;

/** PaliGemma and PaliGemma 2. */
public final class PaliGemmaFamily implements ModelFamily {

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
                BundleSections.prompt(bundle, PaliGemmaPrompt.class), HuggingFaceTokenizerFile.of(bundle));
    }
}
