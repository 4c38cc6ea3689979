package org.vlmserve.decoder;

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

/** The decoder as a service. */
@SpringBootApplication(proxyBeanMethods = false)
@Import(StageRuntime.class)
@EnableConfigurationProperties(DecoderSettings.class)
public class DecoderApplication {

    public static void main(String[] args) {
        SpringApplication.run(DecoderApplication.class, args);
    }

    @Bean
    StageLoader decoderLoader(DecoderSettings settings, MeterRegistry meters) {
        FamilyRegistry families = FamilyRegistry.load();
        return new StageLoader() {
            @Override
            public Stage stage() {
                return Stage.DECODER;
            }

            @Override
            public ServedStage load(ModelRef model, Bundle bundle, EngineOptions engine) {
                return ServedDecoder.load(model, bundle, families, settings, engine, meters);
            }
        };
    }
}
