package org.vlmserve.stage;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.vlmserve.onnx.EngineOptions;

/** {@code vlm.engine}: see {@link EngineOptions} for what each means. */
@ConfigurationProperties("vlm.engine")
public record EngineConfig(
        @DefaultValue("0") int threads,
        @DefaultValue("false") boolean spinning,
        @Nullable Path cacheDirectory) {

    public EngineOptions options() {
        return new EngineOptions(threads, spinning, cacheDirectory);
    }
}
