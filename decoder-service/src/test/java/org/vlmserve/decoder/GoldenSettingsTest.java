package org.vlmserve.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.GenerationDefaults;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.importer.ImportOptions;
import org.vlmserve.importer.Importer;
import org.vlmserve.importer.Precision;
import org.vlmserve.importer.ProgressListener;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.testing.GoldenCase;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** The reference's answers under the settings of a checkpoint's generation_config.json, or of config.json without one. */
class GoldenSettingsTest {

    @TempDir
    private static Path imports;

    private static final Map<String, Bundle> BUNDLES = new ConcurrentHashMap<>();

    @TempDir
    private Path directory;

    @TestFactory
    Stream<DynamicTest> theReferencesAnswers() {
        return Goldens.find()
                .json("generation/cases.json")
                .valueStream()
                .map(golden -> DynamicTest.dynamicTest(
                        golden.path("checkpoint").asString() + ", "
                                + golden.path("case").asString() + ", "
                                + golden.path("name").asString(),
                        () -> check(golden)));
    }

    private void check(JsonNode golden) throws IOException {
        String[] names = golden.path("checkpoint").asString().split("/", -1);
        GoldenCheckpoint checkpoint = Goldens.find().checkpoint(names[0], names[1]);
        GoldenCase asked = checkpoint.cases().stream()
                .filter(each -> each.name().equals(golden.path("case").asString()))
                .findFirst()
                .orElseThrow();
        Bundle bundle = BUNDLES.computeIfAbsent(
                checkpoint.name(),
                each -> Importer.importCheckpoint(
                        checkpoint.directory(),
                        imports.resolve(each),
                        ImportOptions.of(Precision.FP32),
                        ProgressListener.SILENT));
        JsonNode bound = golden.path("asked").path("max_new_tokens");
        Sampling sampling = sampling(bound.isInt() ? Integer.valueOf(bound.intValue()) : null);
        RecordingSink sink = new RecordingSink();
        DecoderConfig config = new DecoderConfig(1, 0, 256, 4096);
        try (DecoderStage stage = new DecoderStage(
                new ModelRef("golden", bundle.manifest().revision()),
                OnnxTokenModel.load(bundle, config, EngineOptions.ofThreads(1)),
                FamilyRegistry.load().familyOf(bundle).promptBuilder(bundle),
                settings(checkpoint, golden),
                config,
                new SimpleMeterRegistry())) {
            stage.start(GoldenAnswersTest.prompt(bundle, asked, "tenant", sampling), sink);
            RecordingSink.End end = sink.await();
            if (golden.has("error")) {
                assertThat(sink.awaitError().code()).isEqualTo(ErrorCode.PROMPT_TOO_LONG);
                assertThat(sink.awaitError())
                        .hasMessageContaining("max_length")
                        .hasMessageContaining("send max_tokens");
                return;
            }
            assertThat(end.error()).isNull();
            assertThat(sink.ids())
                    .isEqualTo(golden.path("generated_ids")
                            .valueStream()
                            .map(JsonNode::asInt)
                            .toList());
            boolean cut = end.reason() == AnswerEvent.FinishReason.LENGTH && sampling.maxTokens() == null;
            assertThat(end.notes()).hasSize(cut ? 1 : 0).allMatch(note -> note.contains("send max_tokens"));
        }
    }

    private static Sampling sampling(@Nullable Integer maxTokens) {
        return new Sampling(
                maxTokens, null, 0.0, null, null, null, null, null, null, null, List.of(), null, Map.of(), false);
    }

    private BundleManifest.Generation settings(GoldenCheckpoint checkpoint, JsonNode golden) throws IOException {
        ObjectNode config =
                (ObjectNode) JsonMapper.shared().readTree(checkpoint.directory().resolve("config.json"));
        golden.path("config").properties().forEach(key -> config.set(key.getKey(), key.getValue()));
        Files.write(directory.resolve("config.json"), JsonMapper.shared().writeValueAsBytes(config));
        Path file = directory.resolve("generation_config.json");
        Files.deleteIfExists(file);
        if (golden.path("generation_config").isObject()) {
            Files.write(file, JsonMapper.shared().writeValueAsBytes(golden.path("generation_config")));
        }
        Warnings warnings = new Warnings();
        BundleManifest.Generation settings = GenerationDefaults.read(directory, List.of(), warnings);
        assertThat(warnings.list()).isEmpty();
        return settings;
    }
}
