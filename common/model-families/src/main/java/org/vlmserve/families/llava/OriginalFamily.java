package org.vlmserve.families.llava;

import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleSections;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.prompt.ChatTemplate;
import org.vlmserve.families.prompt.HuggingFaceTokenizerFile;
import org.vlmserve.families.prompt.PlaceholderPrompt;
import org.vlmserve.families.prompt.PromptBuilder;

/** LLaVA as its original repository has it: LLaVA v1, and LLaVA-1.5 in the same layout. */
public final class OriginalFamily implements ModelFamily {

    @Override
    public String id() {
        return OriginalConfig.FAMILY;
    }

    @Override
    public PicturePreprocessor preprocessor(Bundle bundle) {
        return new LlavaPreprocessor(BundleSections.preprocessing(bundle, LlavaPreprocessing.class));
    }

    @Override
    public PromptBuilder promptBuilder(Bundle bundle) {
        PlaceholderPrompt numbers = BundleSections.prompt(bundle, PlaceholderPrompt.class);
        return new OriginalPromptBuilder(
                numbers,
                HuggingFaceTokenizerFile.of(bundle),
                new ChatTemplate(BundleSections.chatTemplate(bundle), numbers.specialTokens()),
                bundle.manifest().decoder().vocabulary());
    }
}
