package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.config.ConfigResource;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.ModelRef;

/** What a broker is given, and what is said about one that will not do. */
class TopicAdminTest {

    private static RoadConfig config(Duration lock, int maxDeliveries) {
        RoadConfig test = TestBroker.config();
        return new RoadConfig(
                test.bootstrapServers(),
                test.routes(),
                test.replicationFactor(),
                lock,
                maxDeliveries,
                test.statusInterval(),
                test.silence());
    }

    private static Config settings(Admin admin, ConfigResource.Type type, String name)
            throws ExecutionException, InterruptedException {
        ConfigResource resource = new ConfigResource(type, name);
        return java.util.Objects.requireNonNull(
                admin.describeConfigs(List.of(resource)).all().get().get(resource));
    }

    @Test
    void createsEveryTopicOnceWithTheLimitsOfItsRecords() throws ExecutionException, InterruptedException {
        ModelRef model = Echo.model("topics");
        TopicAdmin topics = new TopicAdmin(TestBroker.config());
        assertThat(topics.prepare(List.of(model))).isEmpty();
        assertThat(topics.prepare(List.of(model))).as("a second time").isEmpty();
        try (Admin admin = KafkaClients.admin(TestBroker.config(), "test-admin")) {
            var described =
                    admin.describeTopics(Topics.all(model)).allTopicNames().get();
            described.forEach((name, topic) -> assertThat(topic.partitions())
                    .as(name)
                    .hasSize(
                            Topics.kind(name).matches("images|plans|features")
                                    ? 1
                                    : TestBroker.config().routes()));
            Config images = settings(admin, ConfigResource.Type.TOPIC, Topics.images(model));
            assertThat(Integer.parseInt(images.get("max.message.bytes").value()))
                    .isGreaterThan(24 << 20);
            assertThat(images.get("retention.ms").value()).isEqualTo("900000");
            assertThat(images.get("retention.bytes").value()).isEqualTo("-1");
            assertThat(images.get("cleanup.policy").value()).isEqualTo("delete");
            assertThat(images.get("message.timestamp.type").value()).isEqualTo("LogAppendTime");
            Config tokens = settings(admin, ConfigResource.Type.TOPIC, Topics.tokens(model));
            assertThat(tokens.get("retention.ms").value()).isEqualTo("86400000");
            Config workers = settings(admin, ConfigResource.Type.GROUP, Topics.queueGroup(Topics.features(model)));
            assertThat(workers.get("share.auto.offset.reset").value()).isEqualTo("earliest");
            assertThat(workers.get("share.record.lock.duration.ms").value()).isEqualTo("3000");
        }
    }

    @Test
    void saysInOneLineWhatTheBrokerLacks() {
        assertThat(new TopicAdmin(config(Duration.ofMinutes(5), 9)).prepare(List.of()))
                .hasValueSatisfying(problem -> assertThat(problem)
                        .doesNotContain("\n")
                        .contains("group.share.delivery.count.limit is 5, expected at least 10")
                        .contains("lock duration of 300000 ms")
                        .contains("group.share.min.record.lock.duration.ms"));
    }

    @Test
    void saysWhatIsWrongWithATopicThatSomebodyElseMade() throws ExecutionException, InterruptedException {
        ModelRef model = Echo.model("foreign-topics");
        try (Admin admin = KafkaClients.admin(TestBroker.config(), "test-admin")) {
            admin.createTopics(List.of(
                            new NewTopic(Topics.images(model), 1, (short) 1)
                                    .configs(Map.of("max.message.bytes", "1000000")),
                            new NewTopic(Topics.tokens(model), 7, (short) 1)
                                    .configs(Map.of("max.message.bytes", "5000000", "cleanup.policy", "compact"))))
                    .all()
                    .get();
        }
        assertThat(new TopicAdmin(TestBroker.config()).prepare(List.of(model)))
                .hasValueSatisfying(problem -> assertThat(problem)
                        .contains(Topics.images(model) + " has max.message.bytes 1000000, expected at least")
                        .contains(Topics.tokens(model) + " has cleanup.policy compact, expected delete")
                        .contains("prompts, embeddings and tokens must agree"));
    }

    @Test
    void saysThatNobodyAnswers() {
        RoadConfig nobody = RoadConfig.of("localhost:1");
        assertThat(new TopicAdmin(nobody).prepare(List.of()))
                .hasValueSatisfying(
                        problem -> assertThat(problem).doesNotContain("\n").contains("Kafka at localhost:1"));
    }
}
