package org.vlmserve.families.llavanext;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.vlmserve.families.FamilyContractTest;
import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.protocol.tensor.DType;

class LlavaNextFamilyTest extends FamilyContractTest {

    @Override
    protected ModelFamily family() {
        return new LlavaNextFamily();
    }

    @Override
    protected BundleManifest manifest(Path checkpoint) {
        return LlavaNextConfig.read(checkpoint, null).manifest("fp32", Instant.EPOCH, DType.F32);
    }

    @Override
    protected List<Path> tokenizerFiles(Path checkpoint) {
        return LlavaNextConfig.read(checkpoint, null).parts().tokenizerFiles();
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
