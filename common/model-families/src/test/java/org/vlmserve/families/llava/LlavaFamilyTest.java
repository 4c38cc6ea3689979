package org.vlmserve.families.llava;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.vlmserve.families.FamilyContractTest;
import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.protocol.tensor.DType;

class LlavaFamilyTest extends FamilyContractTest {

    @Override
    protected ModelFamily family() {
        return new LlavaFamily();
    }

    @Override
    protected BundleManifest manifest(Path checkpoint) {
        return LlavaConfig.read(checkpoint, null).manifest("fp32", Instant.EPOCH, DType.F32);
    }

    @Override
    protected List<Path> tokenizerFiles(Path checkpoint) {
        return LlavaConfig.read(checkpoint, null).parts().tokenizerFiles();
    }

    @Override
    protected String pixelInput() {
        return "pixel_values";
    }

    @Override
    protected String placeholder() {
        return "<image>";
    }
}
