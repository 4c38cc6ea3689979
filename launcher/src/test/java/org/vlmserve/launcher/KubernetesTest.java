package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What can be known about {@code k8s/} without a cluster. */
class KubernetesTest {

    private static final Path DIRECTORY = ProgramSettings.ROOT.resolve("k8s");

    private final List<Yaml> resources = new ArrayList<>();
    private Yaml kustomization;

    @BeforeEach
    void read() throws Exception {
        kustomization = Yaml.documents(DIRECTORY.resolve("kustomization.yaml")).getFirst();
        for (String file : kustomization.at("resources").texts()) {
            resources.addAll(Yaml.documents(DIRECTORY.resolve(file)));
        }
    }

    private List<Yaml> ofKind(String kind) {
        return resources.stream().filter(r -> r.at("kind").text().equals(kind)).toList();
    }

    private boolean exists(String kind, String name) {
        return ofKind(kind).stream().anyMatch(r -> name(r).equals(name));
    }

    private static String name(Yaml resource) {
        return resource.at("metadata", "name").text();
    }

    private static Yaml pod(Yaml workload) {
        return workload.at("spec", "template");
    }

    private List<Yaml> workloads() {
        return Stream.concat(ofKind("Deployment").stream(), ofKind("Job").stream())
                .toList();
    }

    private Yaml container(Yaml workload) {
        List<Yaml> containers = pod(workload).at("spec", "containers").items();
        assertThat(containers).as(name(workload)).hasSize(1);
        return containers.getFirst();
    }

    private ContainerCommand command(Yaml workload) {
        return ContainerCommand.parse(
                name(workload), container(workload).at("args").texts());
    }

    private Map<String, String> configuration() {
        Yaml map = ofKind("ConfigMap").getFirst();
        assertThat(map.at("data").keys()).containsExactly("application.yml");
        return Yaml.documents(
                        "application.yml", map.at("data", "application.yml").text())
                .getFirst()
                .properties();
    }

    @Test
    void theKustomizationListsEveryFileOnce() throws Exception {
        try (Stream<Path> files = Files.list(DIRECTORY)) {
            assertThat(kustomization.at("resources").texts())
                    .containsExactlyInAnyOrderElementsOf(
                            files.map(file -> file.getFileName().toString())
                                    .filter(file -> file.endsWith(".yaml") && !file.equals("kustomization.yaml"))
                                    .toList());
        }
        assertThat(resources).allSatisfy(resource -> {
            assertThat(resource.at("apiVersion").text()).isNotEmpty();
            assertThat(name(resource)).matches("[a-z0-9-]+");
        });
        assertThat(resources.stream().map(r -> r.at("kind").text() + "/" + name(r)))
                .doesNotHaveDuplicates();
        assertThat(exists("Namespace", kustomization.at("namespace").text())).isTrue();
        assertThat(kustomization.at("images").items().stream()
                        .map(i -> i.at("name").text()))
                .containsExactly("vlm-suite");
    }

    @Test
    void everyProgramHasAWorkload() {
        Map<Program, Yaml> deployed = new EnumMap<>(Program.class);
        for (Yaml workload : workloads()) {
            ContainerCommand command = command(workload);
            assertThat(deployed.put(command.program(), workload)).isNull();
            assertThat(command.options()).contains("-Xmx" + command.program().maxHeap());
            boolean server = Program.SERVERS.contains(command.program());
            assertThat(workload.at("kind").text()).isEqualTo(server ? "Deployment" : "Job");
            if (server) {
                assertThat(name(workload)).isEqualTo(command.program().wireName());
            }
        }
        assertThat(deployed.keySet())
                .containsExactlyInAnyOrder(
                        Program.VISION_ENCODER, Program.PROJECTOR, Program.DECODER, Program.GATEWAY, Program.IMPORTER);
    }

    @Test
    void labelsMatchSelectors() {
        for (Yaml deployment : ofKind("Deployment")) {
            Object labels = pod(deployment).at("metadata", "labels").value();
            assertThat(deployment.at("spec", "selector", "matchLabels").value()).isEqualTo(labels);
            assertThat(pod(deployment)
                            .at("metadata", "labels", "app.kubernetes.io/component")
                            .text())
                    .isEqualTo(name(deployment));
        }
        for (Yaml service : ofKind("Service")) {
            Map<String, Yaml> selector = service.at("spec", "selector").entries();
            List<Yaml> selected = workloads().stream()
                    .filter(workload -> selector.entrySet().stream()
                            .allMatch(wanted -> pod(workload)
                                    .at("metadata", "labels", wanted.getKey())
                                    .text()
                                    .equals(wanted.getValue().text())))
                    .toList();
            assertThat(selected).as(name(service)).hasSize(1);
            for (Yaml port : service.at("spec", "ports").items()) {
                assertThat(ports(selected.getFirst()))
                        .containsKey(port.at("targetPort").text());
            }
        }
        assertThat(exists("Service", "gateway")).isTrue();
    }

    private Map<String, Integer> ports(Yaml workload) {
        Map<String, Integer> ports = new LinkedHashMap<>();
        for (Yaml port : container(workload).itemsOrNone("ports")) {
            ports.put(port.at("name").text(), port.at("containerPort").number());
        }
        return ports;
    }

    @Test
    void portsAreTheOnesThatTheServicesListenOn() throws Exception {
        int management = Integer.parseInt(configuration().get("management.server.port"));
        Yaml gateway = Yaml.documents(
                        ProgramSettings.ROOT.resolve("gateway-service/src/main/resources/application.yml"))
                .getFirst();
        for (Yaml deployment : ofKind("Deployment")) {
            Map<String, Integer> expected = new LinkedHashMap<>(Map.of("management", management));
            if (name(deployment).equals("gateway")) {
                expected.put("http", gateway.at("server", "port").number());
            }
            assertThat(ports(deployment)).isEqualTo(expected);
            Yaml annotations = pod(deployment).at("metadata", "annotations");
            assertThat(annotations.at("prometheus.io/port").number()).isEqualTo(management);
            for (String probe : List.of("startupProbe", "readinessProbe", "livenessProbe")) {
                Yaml request = container(deployment).at(probe, "httpGet");
                assertThat(request.at("port").text()).as(name(deployment)).isEqualTo("management");
                assertThat(request.at("path").text())
                        .isEqualTo("/actuator/health/" + (probe.startsWith("readiness") ? "readiness" : "liveness"));
            }
        }
    }

    @Test
    void everySettingIsOneThatAServiceKnows() throws Exception {
        Map<String, String> configuration = configuration();
        List<ProgramSettings> known = new ArrayList<>();
        for (Yaml deployment : ofKind("Deployment")) {
            known.add(ProgramSettings.of(command(deployment).program()));
            assertThat(mounts(deployment)).containsEntry("/app/config", "configMap vlm-config");
        }
        assertThat(configuration.keySet())
                .allSatisfy(key -> assertThat(known.stream().anyMatch(program -> program.knows(key)))
                        .as(key)
                        .isTrue());
        for (ProgramSettings program : known) {
            assertThat(program.knows("vlm.kafka.bootstrap-servers")).isTrue();
        }
    }

    @Test
    void bundlesAreReadWhereTheImportWritesThem() {
        Yaml job = ofKind("Job").getFirst();
        String bundle = command(job).others().get(1);
        assertThat(configuration()).containsEntry("vlm.bundles[default]", bundle);
        assertThat(mounts(job)).containsEntry("/bundles", "persistentVolumeClaim vlm-bundles");
        for (Yaml deployment : ofKind("Deployment")) {
            if (command(deployment).program().servesBundles()) {
                assertThat(mounts(deployment)).containsEntry("/bundles", "persistentVolumeClaim vlm-bundles");
                Yaml wait = pod(deployment).at("spec", "initContainers").items().getFirst();
                assertThat(String.join(" ", wait.at("command").texts())).contains(bundle + "/bundle.json");
            }
        }
    }

    /** What is mounted, by path; every mount has its volume, every volume its source. */
    private Map<String, String> mounts(Yaml workload) {
        Map<String, String> volumes = new LinkedHashMap<>();
        for (Yaml volume : pod(workload).at("spec").itemsOrNone("volumes")) {
            String source;
            if (volume.has("configMap")) {
                source = "configMap " + volume.at("configMap", "name").text();
                assertThat(exists("ConfigMap", volume.at("configMap", "name").text()))
                        .as(source)
                        .isTrue();
            } else if (volume.has("persistentVolumeClaim")) {
                String claim = volume.at("persistentVolumeClaim", "claimName").text();
                source = "persistentVolumeClaim " + claim;
                assertThat(exists("PersistentVolumeClaim", claim)).as(source).isTrue();
            } else {
                assertThat(volume.has("emptyDir")).as(volume.path()).isTrue();
                source = "emptyDir";
            }
            volumes.put(volume.at("name").text(), source);
        }
        Map<String, String> mounts = new LinkedHashMap<>();
        List<Yaml> containers = new ArrayList<>(pod(workload).at("spec").itemsOrNone("initContainers"));
        containers.add(container(workload));
        for (Yaml container : containers) {
            for (Yaml mount : container.at("volumeMounts").items()) {
                String source = volumes.get(mount.at("name").text());
                assertThat(source).as(mount.path()).isNotNull();
                mounts.put(mount.at("mountPath").text(), source);
            }
        }
        return mounts;
    }

    @Test
    void everyContainerIsBoundedAndHasNoPrivileges() throws Exception {
        String user = Dockerfile.read().last("USER").arguments().split(":")[0];
        for (Yaml workload : workloads()) {
            Yaml spec = pod(workload).at("spec");
            assertThat(spec.at("securityContext", "runAsNonRoot").value()).isEqualTo(true);
            assertThat(spec.at("securityContext", "runAsUser").text()).isEqualTo(user);
            assertThat(spec.at("securityContext", "seccompProfile", "type").text())
                    .isEqualTo("RuntimeDefault");
            assertThat(spec.at("automountServiceAccountToken").value()).isEqualTo(false);
            assertThat(mounts(workload))
                    .as("the root file system cannot be written")
                    .containsEntry("/tmp", "emptyDir");
            List<Yaml> containers = new ArrayList<>(spec.itemsOrNone("initContainers"));
            containers.add(container(workload));
            for (Yaml container : containers) {
                assertThat(container.at("image").text()).isEqualTo("vlm-suite");
                assertThat(container.at("resources", "requests").keys()).contains("cpu", "memory");
                assertThat(container.at("resources", "limits").keys()).contains("memory");
                Yaml security = container.at("securityContext");
                assertThat(security.at("allowPrivilegeEscalation").value()).isEqualTo(false);
                assertThat(security.at("readOnlyRootFilesystem").value()).isEqualTo(true);
                assertThat(security.at("capabilities", "drop").texts()).containsExactly("ALL");
            }
        }
    }

    @Test
    void podsAreGivenMoreTimeToEndThanTheServicesTake() throws Exception {
        Path stage = ProgramSettings.ROOT.resolve("common/stage-runtime/src/main/resources/stage.yml");
        Path gateway = ProgramSettings.ROOT.resolve("gateway-service/src/main/resources/application.yml");
        for (Yaml deployment : ofKind("Deployment")) {
            Yaml application = Yaml.documents(name(deployment).equals("gateway") ? gateway : stage)
                    .getFirst();
            String limit = application
                    .at("spring", "lifecycle", "timeout-per-shutdown-phase")
                    .text();
            assertThat(limit).matches("\\d+s");
            assertThat(pod(deployment)
                            .at("spec", "terminationGracePeriodSeconds")
                            .number())
                    .isGreaterThan(Integer.parseInt(limit.substring(0, limit.length() - 1)));
        }
    }
}
