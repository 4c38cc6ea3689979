package org.vlmserve.messaging;

import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.springframework.kafka.test.EmbeddedKafkaKraftBroker;
import org.testcontainers.kafka.KafkaContainer;
import org.testcontainers.utility.DockerImageName;

/**
 * A real Kafka for tests, one for each JVM: the one at the system property {@code vlm.test.bootstrap} if it is given, a
 * container if a Docker engine answers, otherwise a broker inside this JVM. Tests share it and keep apart by model names.
 */
public final class TestBroker {

    public static final String PROPERTY = "vlm.test.bootstrap";

    private static final class Holder {
        static final String BOOTSTRAP = start();
    }

    private TestBroker() {}

    /** host:port of the broker, which is started by the first call. */
    public static String bootstrap() {
        return Holder.BOOTSTRAP;
    }

    /** Settings for tests: short locks and reports, four routes, one replica. */
    public static RoadConfig config() {
        return new RoadConfig(
                bootstrap(), 4, (short) 1, Duration.ofSeconds(3), 3, Duration.ofMillis(500), Duration.ofSeconds(5));
    }

    /** A record and when the broker appended it, to the millisecond. */
    public record Logged(Instant at, byte[] value) {}

    /** All values of a topic from its beginning to its present end. */
    public static java.util.List<byte[]> values(String topic) {
        return log(topic).stream().map(Logged::value).toList();
    }

    /** All records of a topic from its beginning to its present end. */
    public static java.util.List<Logged> log(String topic) {
        try (KafkaConsumer<String, byte[]> consumer = KafkaClients.follower(config(), "test-reader")) {
            var partitions = consumer.partitionsFor(topic).stream()
                    .map(info -> new TopicPartition(topic, info.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            java.util.List<Logged> records = new java.util.ArrayList<>();
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    records.add(new Logged(Instant.ofEpochMilli(record.timestamp()), record.value()));
                }
            }
            return records;
        }
    }

    /** What a broker must have set for {@link #config()}; the rest makes a single broker start fast. */
    private static Map<String, String> settings() {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("group.share.min.record.lock.duration.ms", "1000");
        settings.put("group.share.min.heartbeat.interval.ms", "500");
        settings.put("group.share.heartbeat.interval.ms", "500");
        settings.put("group.share.max.size", "1000");
        settings.put("group.initial.rebalance.delay.ms", "0");
        settings.put("offsets.topic.num.partitions", "2");
        settings.put("offsets.topic.replication.factor", "1");
        settings.put("share.coordinator.state.topic.num.partitions", "2");
        settings.put("share.coordinator.state.topic.replication.factor", "1");
        settings.put("share.coordinator.state.topic.min.isr", "1");
        settings.put("transaction.state.log.num.partitions", "1");
        settings.put("transaction.state.log.replication.factor", "1");
        settings.put("transaction.state.log.min.isr", "1");
        settings.put("auto.create.topics.enable", "false");
        settings.put("log.segment.bytes", String.valueOf(64 << 20));
        settings.put("log.index.size.max.bytes", String.valueOf(64 << 10));
        return settings;
    }

    private static String start() {
        String given = System.getProperty(PROPERTY);
        if (given != null && !given.isBlank()) {
            return given;
        }
        if (dockerAnswers()) {
            KafkaContainer container = new KafkaContainer(DockerImageName.parse("apache/kafka-native:4.2.1"));
            settings()
                    .forEach((name, value) -> container.withEnv(
                            "KAFKA_" + name.toUpperCase(java.util.Locale.ROOT).replace('.', '_'), value));
            container.start();
            return container.getBootstrapServers();
        }
        EmbeddedKafkaKraftBroker broker = new EmbeddedKafkaKraftBroker(1, 1);
        settings().forEach(broker::brokerProperty);
        broker.afterPropertiesSet();
        Runtime.getRuntime().addShutdownHook(new Thread(broker::destroy, "test-broker-stop"));
        return broker.getBrokersAsString();
    }

    /** Connects to the engine's socket only: the client's own search takes seconds when there is none. */
    private static boolean dockerAnswers() {
        String host = System.getenv("DOCKER_HOST");
        if (host != null && !host.isBlank() && !host.startsWith("unix:")) {
            return true;
        }
        Path socket =
                Path.of(host == null || host.isBlank() ? "/var/run/docker.sock" : host.substring("unix://".length()));
        if (!Files.exists(socket)) {
            return false;
        }
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            return channel.connect(UnixDomainSocketAddress.of(socket));
        } catch (java.io.IOException e) {
            return false;
        }
    }
}
