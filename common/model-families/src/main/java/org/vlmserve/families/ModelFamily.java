package org.vlmserve.families;

import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.prompt.ControlTokens;
import org.vlmserve.families.prompt.PromptBuilder;

/** One family of models. Adding a family is adding one package with one implementation of this. */
public interface ModelFamily {

    /** As {@code model_type} in a checkpoint's configuration and {@code family} in a manifest. */
    String id();

    /** The vision encoder's side. Thread-safe. */
    PicturePreprocessor preprocessor(Bundle bundle);

    /**
     * The decoder's side. Thread-safe. Reads tokenizer and chat template from the bundle.
     *
     * @param callers what control tokens in callers' texts are
     */
    PromptBuilder promptBuilder(Bundle bundle, ControlTokens callers);
}
