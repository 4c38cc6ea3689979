package org.vlmserve.families.llava;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.families.FamilyContractTest;
import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.TokenizerFiles;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.protocol.tensor.DType;

class OriginalFamilyTest extends FamilyContractTest {

    @TempDir
    private Path made;

    @Override
    protected ModelFamily family() {
        return new OriginalFamily();
    }

    private static OriginalConfig config(Path checkpoint) {
        return OriginalConfig.read(checkpoint, checkpoint.resolveSibling("tower"), null, new Warnings());
    }

    @Override
    protected BundleManifest manifest(Path checkpoint) {
        return config(checkpoint).manifest("fp32", Instant.EPOCH, DType.F32);
    }

    @Override
    protected TokenizerFiles tokenizer(Path checkpoint) {
        return config(checkpoint).tokenizer();
    }

    @Override
    protected String pixelInput() {
        return "pixel_values";
    }

    @Override
    protected List<String> placeholders() {
        return List.of("<image>");
    }
}
