package org.vlmserve.system;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.messaging.TestBroker;

/**
 * The whole suite on a real broker: a gateway and any number of instances of each stage, each a process of its own. One
 * instance of each is started; tests add and kill more.
 */
final class SuiteUnderTest implements AutoCloseable {

    private static final Duration READY = Duration.ofSeconds(120);
    private static final Path LOGS = Path.of(System.getProperty("vlm.root"), "system-tests", "target", "service-logs");

    private final Map<String, Bundle> bundles;
    private final List<String> javaOptions;
    private final List<ServiceProcess> processes = new ArrayList<>();
    private final Map<String, ServiceProcess> first = new HashMap<>();
    private final int port;

    /** Of every stage, whenever it is launched. */
    private final List<String> stageProperties;

    private SuiteUnderTest(Map<String, Bundle> bundles, List<String> javaOptions, List<String> stageProperties) {
        this.bundles = bundles;
        this.stageProperties = stageProperties;
        this.javaOptions = javaOptions;
        this.port = ServiceProcess.freePort();
    }

    /**
     * A suite that is compared with the reference: it reads control tokens in callers' texts, and takes pixel limits beyond the model's.
     *
     * @param bundles by the name under which they are served
     */
    static SuiteUnderTest startAsReference(Map<String, Bundle> bundles, String... gatewayProperties) {
        return start(
                bundles,
                ServiceProcess.QUICK_START,
                List.of("vlm.decoder.control-tokens=tokens", "vlm.encoder.resizing.beyond-model=true"),
                List.of(gatewayProperties));
    }

    /** @param bundles by the name under which they are served */
    static SuiteUnderTest start(Map<String, Bundle> bundles, String... gatewayProperties) {
        return start(bundles, ServiceProcess.QUICK_START, List.of(), List.of(gatewayProperties));
    }

    /**
     * @param bundles by the name under which they are served
     * @param javaOptions of every process
     */
    static SuiteUnderTest start(
            Map<String, Bundle> bundles,
            List<String> javaOptions,
            List<String> stageProperties,
            List<String> gatewayProperties) {
        SuiteUnderTest suite = new SuiteUnderTest(bundles, javaOptions, stageProperties);
        try {
            List<String> properties = new ArrayList<>(gatewayProperties);
            properties.add("server.port=" + suite.port);
            properties.add("management.server.address=127.0.0.1");
            suite.launch("gateway", properties);
            suite.launch("vision-encoder", List.of());
            suite.launch("projector", List.of());
            suite.launch("decoder", List.of());
            suite.awaitReady();
            suite.awaitServing();
            return suite;
        } catch (RuntimeException | Error e) {
            suite.close();
            throw e;
        }
    }

    /** Starts one more instance; the caller awaits its readiness. */
    ServiceProcess launch(String program, List<String> properties) {
        List<String> all = new ArrayList<>(properties);
        all.add("vlm.kafka.bootstrap-servers=" + TestBroker.bootstrap());
        if (!program.equals("gateway")) {
            all.addAll(stageProperties);
            bundles.forEach((name, bundle) -> all.add("vlm.bundles." + name + "=" + bundle.directory()));
        }
        ServiceProcess process = ServiceProcess.start(program, LOGS, javaOptions, all);
        processes.add(process);
        first.putIfAbsent(program, process);
        return process;
    }

    /** The instance that was started first. */
    ServiceProcess instance(String program) {
        return Objects.requireNonNull(first.get(program), program);
    }

    void awaitReady() {
        processes.forEach(process -> process.awaitReady(READY));
    }

    /** Ready stages are heard of by the gateway within a status interval or two. */
    private void awaitServing() {
        ChatClient client = client();
        Await.until(
                "all models to be listed by the gateway",
                READY,
                () -> client.models().containsAll(bundles.keySet()));
    }

    ChatClient client() {
        return new ChatClient(URI.create("http://127.0.0.1:" + port));
    }

    String logs() {
        StringBuilder all = new StringBuilder();
        processes.forEach(process -> all.append(process.logTail()).append('\n'));
        return all.toString();
    }

    @Override
    public void close() {
        processes.forEach(ServiceProcess::close);
    }
}
