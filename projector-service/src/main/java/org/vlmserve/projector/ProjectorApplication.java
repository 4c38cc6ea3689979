package org.vlmserve.projector;

import io.micrometer.core.instrument.MeterRegistry;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Import;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.Stage;
import org.vlmserve.stage.ServedStage;
import org.vlmserve.stage.StageLoader;
import org.vlmserve.stage.StageRuntime;

/** The projector as a service. */
@SpringBootApplication(proxyBeanMethods = false)
@Import(StageRuntime.class)
@EnableConfigurationProperties(ProjectorSettings.class)
public class ProjectorApplication {

    public static void main(String[] args) {
        SpringApplication.run(ProjectorApplication.class, args);
    }

    @Bean
    StageLoader projectorLoader(ProjectorSettings settings, MeterRegistry meters) {
        return new StageLoader() {
            @Override
            public Stage stage() {
                return Stage.PROJECTOR;
            }

            @Override
            public ServedStage load(ModelRef model, Bundle bundle, EngineOptions engine) {
                return ServedProjector.load(model, bundle, settings, engine, meters);
            }
        };
    }
}
