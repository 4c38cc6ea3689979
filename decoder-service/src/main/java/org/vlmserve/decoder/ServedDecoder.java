package org.vlmserve.decoder;

import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.prompt.PromptBuilder;
import org.vlmserve.messaging.PromptRoad;
import org.vlmserve.messaging.Road;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.stage.ServedStage;

/** A bundle's decoder on the road. */
final class ServedDecoder implements ServedStage {

    private final Bundle bundle;
    private final OnnxTokenModel model;
    private final DecoderStage stage;
    private final long pictureBytes;

    private ServedDecoder(Bundle bundle, OnnxTokenModel model, DecoderStage stage, long pictureBytes) {
        this.bundle = bundle;
        this.model = model;
        this.stage = stage;
        this.pictureBytes = pictureBytes;
    }

    static ServedDecoder load(
            ModelRef ref,
            Bundle bundle,
            FamilyRegistry families,
            DecoderSettings settings,
            EngineOptions engine,
            MeterRegistry meters) {
        PromptBuilder prompts = families.familyOf(bundle).promptBuilder(bundle, settings.controlTokens());
        OnnxTokenModel model = OnnxTokenModel.load(bundle, settings.config(), engine);
        DecoderStage stage =
                new DecoderStage(ref, model, prompts, bundle.manifest().generation(), settings.config(), meters);
        return new ServedDecoder(bundle, model, stage, settings.pictureBytes());
    }

    @Override
    public ModelRef model() {
        return stage.model();
    }

    @Override
    public void warmUp() {
        model.warmUp();
    }

    @Override
    public Work open(Road road) {
        PromptRoad prompts = road.answerPrompts(stage.model(), pictureBytes, stage);
        return new Work() {
            @Override
            public InstanceStatus.ServedModel status() {
                return new InstanceStatus.ServedModel(
                        stage.model(),
                        prompts.ownedRoutes(),
                        prompts.waiting(),
                        prompts.running(),
                        stage.capacity(),
                        stage.contextLength(),
                        bundle.manifest().importedAt());
            }

            @Override
            public void close(Duration grace) {
                prompts.close(grace);
            }
        };
    }

    @Override
    public boolean healthy() {
        return stage.healthy();
    }

    @Override
    public void close() {
        stage.close();
    }
}
