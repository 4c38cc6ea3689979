package org.vlmserve.stage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.bundle.BundleWriter;
import org.vlmserve.messaging.Road;
import org.vlmserve.messaging.RoadConfig;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.Stage;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import tools.jackson.databind.node.JsonNodeFactory;

class StageHostTest {

    /** Nothing listens here. */
    private static final RoadConfig NO_BROKER = RoadConfig.of("127.0.0.1:1");

    @TempDir
    private Path directory;

    private final List<String> events = new ArrayList<>();
    private boolean healthy = true;
    private boolean warmUpFails;

    private final StageLoader loader = new StageLoader() {
        @Override
        public Stage stage() {
            return Stage.PROJECTOR;
        }

        @Override
        public ServedStage load(ModelRef model, Bundle bundle, EngineOptions engine) {
            events.add("load " + model.model() + " " + engine.threads());
            return new ServedStage() {
                @Override
                public ModelRef model() {
                    return model;
                }

                @Override
                public void warmUp() {
                    events.add("warm " + model.model());
                    if (warmUpFails) {
                        throw new VlmException(ErrorCode.BUNDLE_CORRUPT, "the graph does not run");
                    }
                }

                @Override
                public Work open(Road road) {
                    throw new AssertionError("there is no broker to open a road to");
                }

                @Override
                public boolean healthy() {
                    return healthy;
                }

                @Override
                public void close() {
                    events.add("close " + model.model());
                }
            };
        }
    };

    private StageHost host(Map<String, Path> bundles) {
        return new StageHost(
                loader,
                bundles,
                EngineOptions.ofThreads(2),
                NO_BROKER,
                "projector-1",
                Duration.ofSeconds(1),
                new SimpleMeterRegistry());
    }

    private Path bundle(String name) throws IOException {
        Path place = java.nio.file.Files.createDirectory(directory.resolve(name));
        JsonNodeFactory json = JsonNodeFactory.instance;
        BundleWriter.write(
                place,
                new BundleManifest(
                        BundleManifest.FORMAT,
                        "fake",
                        "0123456789ab",
                        "fp32",
                        Instant.EPOCH,
                        new BundleManifest.Encoder(4),
                        new BundleManifest.Projector(1),
                        new BundleManifest.Decoder(8, 1, 1, 1, 8, 16, 100, 1, 16, DType.F32, 1),
                        new BundleManifest.Generation(List.of(), false, null, null, null, null, null),
                        json.objectNode(),
                        json.objectNode(),
                        BundleManifest.Checkpoint.UNREMARKABLE,
                        null));
        return place;
    }

    @Test
    void aMissingBundleEndsTheStartAndClosesWhatWasLoaded() throws IOException {
        Map<String, Path> bundles = new LinkedHashMap<>();
        bundles.put("good", bundle("good"));
        StageHost good = host(bundles);
        good.start();
        good.close();
        assertThat(events).containsExactly("load good 2", "warm good", "close good");
        try (StageHost bad = host(Map.of("bad", directory.resolve("nowhere")))) {
            assertThatThrownBy(bad::start)
                    .isInstanceOfSatisfying(
                            VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.BUNDLE_CORRUPT))
                    .hasMessageContaining("nowhere");
        }
    }

    @Test
    void aGraphThatDoesNotRunEndsTheStart() throws IOException {
        warmUpFails = true;
        try (StageHost host = host(Map.of("one", bundle("one")))) {
            assertThatThrownBy(host::start).hasMessageContaining("the graph does not run");
            assertThat(events).containsExactly("load one 2", "warm one", "close one");
            assertThat(host.notReady()).isPresent();
        }
    }

    @Test
    void nothingToServeIsAMistake() {
        try (StageHost host = host(Map.of())) {
            assertThatThrownBy(host::start)
                    .isInstanceOf(VlmException.class)
                    .hasMessageContaining("vlm.bundles.NAME=DIRECTORY");
        }
    }

    @Test
    void withoutABrokerTheHostIsNotReadyAndSaysWhy() throws IOException {
        try (StageHost host = host(Map.of("one", bundle("one")))) {
            assertThat(host.notReady()).contains("the model is being loaded");
            host.start();
            assertThat(host.notReady())
                    .hasValueSatisfying(
                            reason -> assertThat(reason).contains("127.0.0.1:1").doesNotContain("\n"));
            assertThat(host.defect()).isEmpty();
            healthy = false;
            assertThat(host.defect())
                    .hasValueSatisfying(reason -> assertThat(reason).contains("one"));
        }
        assertThat(events).endsWith("close one");
    }

    @Test
    void closingTwiceIsHarmless() throws IOException {
        StageHost host = host(Map.of("one", bundle("one")));
        host.start();
        host.close();
        host.close();
        assertThat(events).containsOnlyOnce("close one");
        assertThat(host.notReady()).isEqualTo(Optional.of("the process is ending"));
    }
}
