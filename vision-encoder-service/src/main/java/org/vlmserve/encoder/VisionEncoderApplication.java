package org.vlmserve.encoder;

import io.micrometer.core.instrument.MeterRegistry;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Import;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.Stage;
import org.vlmserve.stage.ServedStage;
import org.vlmserve.stage.StageLoader;
import org.vlmserve.stage.StageRuntime;

/** The vision encoder as a service. */
@SpringBootApplication(proxyBeanMethods = false)
@Import(StageRuntime.class)
@EnableConfigurationProperties(EncoderSettings.class)
public class VisionEncoderApplication {

    public static void main(String[] args) {
        SpringApplication.run(VisionEncoderApplication.class, args);
    }

    @Bean
    Decoders decoders(EncoderSettings settings, MeterRegistry meters) {
        return new Decoders(settings, meters);
    }

    @Bean
    StageLoader encoderLoader(EncoderSettings settings, Decoders decoders, MeterRegistry meters) {
        FamilyRegistry families = FamilyRegistry.load();
        return new StageLoader() {
            @Override
            public Stage stage() {
                return Stage.VISION_ENCODER;
            }

            @Override
            public ServedStage load(ModelRef model, Bundle bundle, EngineOptions engine) {
                return ServedEncoder.load(model, bundle, families, settings, decoders, engine, meters);
            }
        };
    }
}
