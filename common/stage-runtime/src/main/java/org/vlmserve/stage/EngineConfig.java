package org.vlmserve.stage;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.Int8Weights;

/** {@code vlm.engine}: see {@link EngineOptions} for what each means. */
@ConfigurationProperties("vlm.engine")
public record EngineConfig(
        @DefaultValue("0") int threads,
        @DefaultValue("false") boolean spinning,
        @DefaultValue("auto") Int8Weights int8Weights,
        @Nullable Path cacheDirectory,
        @DefaultValue("true") boolean prepack,
        @Nullable String processor,
        @Nullable Path java) {

    public EngineOptions options() {
        return new EngineOptions(threads, spinning, int8Weights, cacheDirectory, prepack, processor, java);
    }
}
