package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Method;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What can be known about {@code docker-compose.yml} without a Docker engine. */
class ComposeTest {

    private Yaml compose;
    private Map<String, Yaml> services;
    private Dockerfile dockerfile;

    @BeforeEach
    void read() throws Exception {
        compose = Yaml.documents(ProgramSettings.ROOT.resolve("docker-compose.yml"))
                .getFirst();
        services = compose.at("services").entries();
        dockerfile = Dockerfile.read();
    }

    private static boolean ours(Yaml service) {
        return service.at("image").text().equals("vlm-suite");
    }

    @Test
    void everyServiceIsThereAndRunsAProgramWithSettingsItKnows() throws Exception {
        List<Program> programs = new ArrayList<>();
        for (Map.Entry<String, Yaml> service : services.entrySet()) {
            if (!ours(service.getValue()) || service.getValue().has("entrypoint")) {
                continue;
            }
            assertThat(service.getValue().at("build").text()).isEqualTo(".");
            ContainerCommand command = ContainerCommand.parse(
                    service.getKey(), service.getValue().at("command").texts());
            programs.add(command.program());
            assertThat(command.options()).contains("-Xmx" + command.program().maxHeap());
            ProgramSettings settings = ProgramSettings.of(command.program());
            assertThat(command.properties().keySet())
                    .as(service.getKey() + " knows " + settings)
                    .allMatch(settings::knows);
            if (service.getValue().has("environment")) {
                assertThat(service.getValue().at("environment").keys()).allMatch(settings::knows);
                assertThat(service.getValue()
                                .at("environment", "VLM_KAFKA_BOOTSTRAP_SERVERS")
                                .text())
                        .isEqualTo("broker:9092");
                assertThat(service.getValue()
                                .at("environment", "MANAGEMENT_SERVER_PORT")
                                .text())
                        .as("where the image's health check asks")
                        .isEqualTo(
                                dockerfile.environment("MANAGEMENT_SERVER_PORT").orElseThrow());
            }
            if (command.program().servesBundles()) {
                assertThat(command.properties())
                        .containsExactly(Map.entry("vlm.bundles[${VLM_MODEL}]", "/bundles/${VLM_MODEL}"));
            }
        }
        assertThat(programs)
                .containsExactlyInAnyOrder(
                        Program.VISION_ENCODER, Program.PROJECTOR, Program.DECODER, Program.GATEWAY, Program.IMPORTER);
    }

    @Test
    void theImportWritesWhatTheStagesRead() {
        ContainerCommand command = ContainerCommand.parse(
                "import-model", service("import-model").at("command").texts());
        assertThat(command.others().get(0)).startsWith("/models/${VLM_MODEL");
        assertThat(command.others().get(1)).isEqualTo("/bundles/${VLM_MODEL}");
        assertThat(service("import-model").at("volumes").texts())
                .containsExactly("./models:/models:ro", "bundles:/bundles");
        assertThat(service("decoder").at("volumes").texts()).containsExactly("bundles:/bundles:ro");
    }

    @Test
    void whatServicesReferToExists() {
        services.forEach((name, service) -> {
            if (service.has("depends_on")) {
                service.at("depends_on").entries().forEach((other, dependency) -> {
                    assertThat(services).as(name + " depends on").containsKey(other);
                    switch (dependency.at("condition").text()) {
                        case "service_healthy" ->
                            assertThat(service(other).has("healthcheck") || ours(service(other)))
                                    .as(other + " can become healthy")
                                    .isTrue();
                        case "service_completed_successfully" ->
                            assertThat(service(other).at("restart").text())
                                    .as(other + " is let end")
                                    .isEqualTo("no");
                        default -> throw new AssertionError(name + " waits for " + dependency.value());
                    }
                });
            }
            for (Yaml volume : service.itemsOrNone("volumes")) {
                String source = volume.text().split(":")[0];
                if (source.startsWith(".")) {
                    assertThat(source).isEqualTo("./models");
                } else {
                    assertThat(compose.at("volumes").keys())
                            .as(name + " mounts")
                            .contains(source);
                }
            }
        });
    }

    @Test
    void theGatewayIsReachedWhereItListens() throws Exception {
        Yaml gateway = service("gateway");
        Yaml application = Yaml.documents(
                        ProgramSettings.ROOT.resolve("gateway-service/src/main/resources/application.yml"))
                .getFirst();
        assertThat(gateway.at("ports").texts())
                .containsExactly(
                        "127.0.0.1:8080:" + application.at("server", "port").text());
        assertThat(dockerfile.last("EXPOSE").words())
                .contains(application.at("server", "port").text());
    }

    @Test
    void theBrokerIsTheOneThatBinVlmStarts() throws Exception {
        Yaml broker = service("broker");
        Matcher version = Pattern.compile("<kafka.version>(.*)</kafka.version>")
                .matcher(Files.readString(ProgramSettings.ROOT.resolve("pom.xml")));
        assertThat(version.find()).isTrue();
        assertThat(broker.at("image").text()).isEqualTo("apache/kafka:" + version.group(1));

        Map<String, Yaml> environment = broker.at("environment").entries();
        Broker.settings()
                .forEach((key, value) -> assertThat(environment.get(
                                "KAFKA_" + key.toUpperCase(Locale.ROOT).replace('.', '_')))
                        .as(key)
                        .isNotNull()
                        .satisfies(set -> assertThat(set.text()).isEqualTo(value)));
        assertThat(Objects.requireNonNull(environment.get("KAFKA_ADVERTISED_LISTENERS"))
                        .text())
                .endsWith("://broker:9092");

        Collection<?> known = knownToKafka();
        environment.keySet().forEach(variable -> {
            assertThat(variable).startsWith("KAFKA_");
            String key = variable.substring("KAFKA_".length())
                    .toLowerCase(Locale.ROOT)
                    .replace('_', '.');
            assertThat(known.contains(key)).as(key + " is a setting of Kafka").isTrue();
        });
    }

    private static Collection<?> knownToKafka() throws Exception {
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        try (var loader = ProgramSettings.classLoader(Program.BROKER)) {
            // Kafka looks its default classes up there.
            thread.setContextClassLoader(loader);
            Object definition = loader.loadClass("kafka.server.KafkaConfig")
                    .getMethod("configDef")
                    .invoke(null);
            Method names = definition.getClass().getMethod("names");
            return List.copyOf((Collection<?>) names.invoke(definition));
        } finally {
            thread.setContextClassLoader(before);
        }
    }

    private Yaml service(String name) {
        return Objects.requireNonNull(services.get(name), name);
    }
}
