package org.vlmserve.families.llava;

import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleSections;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.prompt.ControlTokens;
import org.vlmserve.families.prompt.PlaceholderPromptBuilder;
import org.vlmserve.families.prompt.PlaceholderPromptBuilder.Splice;
import org.vlmserve.families.prompt.PromptBuilder;

/** LLaVA-1.5. */
public final class LlavaFamily implements ModelFamily {

    @Override
    public String id() {
        return LlavaConfig.MODEL_TYPE;
    }

    @Override
    public PicturePreprocessor preprocessor(Bundle bundle) {
        return new LlavaPreprocessor(BundleSections.preprocessing(bundle, LlavaPreprocessing.class));
    }

    @Override
    public PromptBuilder promptBuilder(Bundle bundle, ControlTokens callers) {
        return PlaceholderPromptBuilder.of(bundle, callers, Splice::inOrder);
    }
}
