package org.vlmserve.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.vlmserve.protocol.ProtocolLimits;

/** The configuration of a Kafka broker that is its own controller. */
final class Broker {

    /** The largest record and room for the batch around it. */
    private static final int MAX_BATCH_BYTES = ProtocolLimits.MAX_RECORD_BYTES + (1 << 20);

    /** The broker says on its standard output what concerns its operator, and no more. */
    static final List<String> JAVA_OPTIONS = List.of(
            "-Dorg.slf4j.simpleLogger.logFile=System.out",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.log.kafka.server=info",
            "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.server=info");

    private Broker() {}

    /**
     * Prepares an empty data directory, which a broker refuses to do on its own.
     *
     * @param options for the JVM
     */
    static List<String> format(Suite suite, List<String> options, Path configuration) {
        byte[] cluster = new byte[16];
        new SecureRandom().nextBytes(cluster);
        // In base64, a first bit of 1 could give a leading "-", which would read as an option.
        cluster[0] &= 0x7f;
        List<String> command = JavaCommand.of(suite, Program.BROKER, options, List.of("format", "-t"));
        command.set(command.indexOf(Program.BROKER.mainClass()), "kafka.tools.StorageTool");
        command.add(Base64.getUrlEncoder().withoutPadding().encodeToString(cluster));
        command.addAll(List.of("-c", configuration.toString()));
        return command;
    }

    /** What the suite wants of any broker of its own, here and in {@code docker-compose.yml}. */
    static Map<String, String> settings() {
        Map<String, String> settings = new LinkedHashMap<>();
        // One broker can hold one copy.
        settings.put("offsets.topic.replication.factor", "1");
        settings.put("transaction.state.log.replication.factor", "1");
        settings.put("transaction.state.log.min.isr", "1");
        settings.put("share.coordinator.state.topic.replication.factor", "1");
        settings.put("share.coordinator.state.topic.min.isr", "1");
        settings.put("default.replication.factor", "1");
        // Each partition of an internal topic costs start-up time.
        settings.put("offsets.topic.num.partitions", "1");
        settings.put("transaction.state.log.num.partitions", "1");
        settings.put("share.coordinator.state.topic.num.partitions", "1");
        // Groups form at once, and a member that died is noticed soon.
        settings.put("group.initial.rebalance.delay.ms", "0");
        settings.put("group.min.session.timeout.ms", "6000");
        settings.put("group.consumer.min.session.timeout.ms", "6000");
        settings.put("group.consumer.min.heartbeat.interval.ms", "500");
        settings.put("group.share.min.heartbeat.interval.ms", "500");
        settings.put("group.share.heartbeat.interval.ms", "500");
        settings.put("group.share.min.session.timeout.ms", "6000");
        settings.put("group.share.session.timeout.ms", "10000");
        settings.put("group.share.min.record.lock.duration.ms", "1000");
        // Pictures travel as they came.
        settings.put("message.max.bytes", Integer.toString(MAX_BATCH_BYTES));
        settings.put("replica.fetch.max.bytes", Integer.toString(MAX_BATCH_BYTES));
        // Kept by time only: size retention would drop unread work silently.
        settings.put("log.retention.hours", "24");
        settings.put("log.retention.check.interval.ms", "60000");
        settings.put("log.segment.bytes", Integer.toString(128 << 20));
        settings.put("log.cleaner.dedupe.buffer.size", Integer.toString(4 << 20));
        // The services make their topics, with the settings that each needs.
        settings.put("auto.create.topics.enable", "false");
        return settings;
    }

    /** Writes {@code server.properties} for a broker that keeps its data in, and only in, this directory. */
    static Path configure(Path directory, int port, int controllerPort) throws IOException {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("process.roles", "broker,controller");
        settings.put("node.id", "1");
        settings.put("listeners", "BROKER://127.0.0.1:" + port + ",CONTROLLER://127.0.0.1:" + controllerPort);
        settings.put("advertised.listeners", "BROKER://127.0.0.1:" + port);
        settings.put("listener.security.protocol.map", "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT");
        settings.put("inter.broker.listener.name", "BROKER");
        settings.put("controller.listener.names", "CONTROLLER");
        settings.put("controller.quorum.voters", "1@127.0.0.1:" + controllerPort);
        settings.put("log.dirs", data(directory).toString());
        settings.put("num.network.threads", "2");
        settings.put("num.io.threads", "4");
        settings.putAll(settings());
        Path file = directory.resolve("server.properties");
        Files.writeString(
                file,
                settings.entrySet().stream()
                        .map(e -> e.getKey() + "=" + e.getValue().replace("\\", "\\\\"))
                        .collect(Collectors.joining("\n", "", "\n")));
        return file;
    }

    static boolean isFormatted(Path directory) {
        return Files.exists(data(directory).resolve("meta.properties"));
    }

    private static Path data(Path directory) {
        return directory.resolve("data");
    }
}
