package org.vlmserve.stage;

import io.micrometer.core.instrument.MeterRegistry;
import java.util.Optional;
import java.util.function.Supplier;
import org.springframework.boot.ApplicationArguments;
import org.springframework.boot.ApplicationRunner;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.context.SmartLifecycle;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** Runs a {@link StageLoader} bean as a service. A service imports this and brings the loader. */
@Configuration(proxyBeanMethods = false)
@EnableConfigurationProperties({StageConfig.class, KafkaConfig.class, EngineConfig.class})
public class StageRuntime {

    @Bean(destroyMethod = "")
    StageHost stageHost(
            StageLoader loader, StageConfig config, KafkaConfig kafka, EngineConfig engine, MeterRegistry meters) {
        return new StageHost(
                loader,
                config.bundles(),
                engine.options(),
                kafka.road(),
                config.instanceOf(loader.stage()),
                config.grace(),
                meters);
    }

    @Bean
    Life stageLife(StageHost host) {
        return new Life(host);
    }

    /** Readiness: whether work is taken, and in one line why not. */
    @Bean
    HealthIndicator stageReadyHealthIndicator(StageHost host) {
        return indicator(host::notReady);
    }

    /** Liveness: whether another process would do better. */
    @Bean
    HealthIndicator stageAliveHealthIndicator(StageHost host) {
        return indicator(host::defect);
    }

    private static HealthIndicator indicator(Supplier<Optional<String>> problem) {
        return () -> problem.get()
                .map(reason -> Health.down().withDetail("reason", reason).build())
                .orElseGet(() -> Health.up().build());
    }

    /**
     * Starts the host when the context is complete, so that health can be asked while models load, and ends it first, while
     * health can still be asked.
     */
    static final class Life implements ApplicationRunner, SmartLifecycle {

        private final StageHost host;
        private volatile boolean running;

        Life(StageHost host) {
            this.host = host;
        }

        @Override
        public void run(ApplicationArguments arguments) {
            host.start();
        }

        @Override
        public void start() {
            running = true;
        }

        @Override
        public void stop() {
            running = false;
            host.close();
        }

        @Override
        public boolean isRunning() {
            return running;
        }
    }
}
