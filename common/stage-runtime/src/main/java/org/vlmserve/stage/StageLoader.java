package org.vlmserve.stage;

import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.Stage;

/** What makes a process one stage and not another. */
public interface StageLoader {

    Stage stage();

    /** @throws org.vlmserve.protocol.error.VlmException {@code BUNDLE_CORRUPT}, {@code OUT_OF_MEMORY} */
    ServedStage load(ModelRef model, Bundle bundle, EngineOptions engine);
}
