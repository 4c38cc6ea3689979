package org.vlmserve.families.llavanext;

import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleSections;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.prompt.ControlTokens;
import org.vlmserve.families.prompt.PlaceholderPromptBuilder;
import org.vlmserve.families.prompt.PromptBuilder;

/** LLaVA-NeXT. */
public final class LlavaNextFamily implements ModelFamily {

    @Override
    public String id() {
        return LlavaNextConfig.MODEL_TYPE;
    }

    @Override
    public PicturePreprocessor preprocessor(Bundle bundle) {
        return preprocessorOf(bundle);
    }

    @Override
    public PromptBuilder promptBuilder(Bundle bundle, ControlTokens callers) {
        return PlaceholderPromptBuilder.of(bundle, callers, preprocessorOf(bundle)::splice);
    }

    private static LlavaNextPreprocessor preprocessorOf(Bundle bundle) {
        return new LlavaNextPreprocessor(BundleSections.preprocessing(bundle, LlavaNextPreprocessing.class));
    }
}
