package org.vlmserve.messaging;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.FinalizedVersionRange;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Makes the broker ready: creates topics that are missing, sets the queues' share groups up, and checks what cannot be
 * set from here. Safe to run from any number of instances at once.
 */
public final class TopicAdmin {

    private static final Duration WORK_RETENTION = Duration.ofMinutes(15);
    private static final Duration ANSWER_RETENTION = Duration.ofHours(24);
    private static final Duration DEAD_RETENTION = Duration.ofDays(7);
    /** How long what the controller has confirmed may take to reach the brokers. */
    private static final Duration SPREADING = Duration.ofSeconds(30);

    private static final int SMALL_RECORD_BYTES = 4 << 20;

    private final RoadConfig config;

    public TopicAdmin(RoadConfig config) {
        this.config = config;
    }

    /**
     * Creates what is missing and checks the rest.
     *
     * @return what is wrong, in one line, or nothing: a service is not ready while there is something
     */
    public Optional<String> prepare(Collection<ModelRef> models) {
        List<String> wrong = new ArrayList<>();
        try (Admin admin = KafkaClients.admin(config, "vlm-admin")) {
            try {
                String broker =
                        admin.describeCluster().nodes().get().iterator().next().idString();
                checkBroker(admin, broker, wrong);
                Map<String, NewTopic> wanted = topics(models);
                create(admin, wanted);
                wrong.addAll(checkCreated(admin, wanted));
                if (wrong.isEmpty()) {
                    for (ModelRef model : models) {
                        group(admin, Topics.queueGroup(Topics.images(model)));
                        group(admin, Topics.queueGroup(Topics.plans(model)));
                        group(admin, Topics.queueGroup(Topics.features(model)));
                    }
                }
            } catch (ExecutionException e) {
                Throwable cause = e.getCause() == null ? e : e.getCause();
                wrong.add("Kafka at " + config.bootstrapServers() + ": " + cause.getMessage());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new VlmException(ErrorCode.INTERNAL, "interrupted while preparing the broker", e);
            }
        }
        return wrong.isEmpty() ? Optional.empty() : Optional.of(String.join("; ", wrong));
    }

    private void checkBroker(Admin admin, String broker, List<String> wrong)
            throws ExecutionException, InterruptedException {
        FinalizedVersionRange share = admin.describeFeatures()
                .featureMetadata()
                .get()
                .finalizedFeatures()
                .get("share.version");
        if (share == null || share.maxVersionLevel() < 1) {
            wrong.add("Kafka has no share groups (feature share.version is "
                    + (share == null ? "absent" : share.maxVersionLevel())
                    + ", expected 1): use Kafka 4.2 or later and run kafka-features.sh upgrade --feature"
                    + " share.version=1");
            return;
        }
        ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, broker);
        Config settings = describe(admin, resource);
        int deliveries = number(settings, "group.share.delivery.count.limit", 5);
        if (deliveries < config.maxDeliveries() + 1) {
            wrong.add("broker setting group.share.delivery.count.limit is " + deliveries + ", expected at least "
                    + (config.maxDeliveries() + 1) + ", or a poisoned job vanishes before it is reported");
        }
        long lock = config.lockDuration().toMillis();
        int least = number(settings, "group.share.min.record.lock.duration.ms", 15_000);
        int most = number(settings, "group.share.max.record.lock.duration.ms", 60_000);
        if (lock < least || lock > most) {
            wrong.add("lock duration of " + lock + " ms is outside of the broker's " + least + " to " + most
                    + " ms: change group.share.min.record.lock.duration.ms or the lock duration");
        }
    }

    private static Config describe(Admin admin, ConfigResource resource)
            throws ExecutionException, InterruptedException {
        Config settings = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        return settings == null ? new Config(List.of()) : settings;
    }

    private static @Nullable String value(Config settings, String name) {
        ConfigEntry entry = settings.get(name);
        return entry == null ? null : entry.value();
    }

    private static int number(Config settings, String name, int otherwise) {
        String value = value(settings, name);
        return value == null ? otherwise : Integer.parseInt(value);
    }

    private Map<String, NewTopic> topics(Collection<ModelRef> models) {
        Map<String, NewTopic> wanted = new LinkedHashMap<>();
        add(wanted, Topics.STATUS, 1, Duration.ofHours(1), SMALL_RECORD_BYTES);
        add(wanted, Topics.CONTROL, 1, Duration.ofHours(1), SMALL_RECORD_BYTES);
        for (ModelRef model : models) {
            int routes = config.routes();
            // A share group's assignor ties each worker to some of the partitions, so only with one of them can any
            // worker
            // take any record. A fleet that outgrows one partition's bandwidth adds some and accepts idle workers.
            add(wanted, Topics.images(model), 1, WORK_RETENTION, KafkaClients.MAX_BATCH_BYTES);
            add(wanted, Topics.plans(model), 1, WORK_RETENTION, KafkaClients.MAX_BATCH_BYTES);
            add(wanted, Topics.features(model), 1, WORK_RETENTION, SMALL_RECORD_BYTES);
            add(wanted, Topics.embeddings(model), routes, WORK_RETENTION, SMALL_RECORD_BYTES);
            add(wanted, Topics.prompts(model), routes, ANSWER_RETENTION, SMALL_RECORD_BYTES);
            add(wanted, Topics.tokens(model), routes, ANSWER_RETENTION, SMALL_RECORD_BYTES);
            for (String topic : Topics.all(model)) {
                add(wanted, Topics.dead(topic), 1, DEAD_RETENTION, KafkaClients.MAX_BATCH_BYTES);
            }
        }
        return wanted;
    }

    /**
     * Retention is by time alone, because retention by size would drop unread work without a word. The log's own time
     * stamps records, so that take-over by time does not compare the clocks of different hosts.
     */
    private void add(Map<String, NewTopic> wanted, String name, int partitions, Duration retention, int maxBytes) {
        Map<String, String> settings = new HashMap<>();
        settings.put(TopicConfig.CLEANUP_POLICY_CONFIG, TopicConfig.CLEANUP_POLICY_DELETE);
        settings.put(TopicConfig.RETENTION_MS_CONFIG, String.valueOf(retention.toMillis()));
        settings.put(TopicConfig.RETENTION_BYTES_CONFIG, "-1");
        // Retention removes whole segments: an open segment older than this is closed, and so can be removed.
        settings.put(
                TopicConfig.SEGMENT_MS_CONFIG,
                String.valueOf(Math.max(60_000, retention.dividedBy(3).toMillis())));
        settings.put(TopicConfig.MAX_MESSAGE_BYTES_CONFIG, String.valueOf(maxBytes));
        settings.put(TopicConfig.MESSAGE_TIMESTAMP_TYPE_CONFIG, "LogAppendTime");
        wanted.put(name, new NewTopic(name, partitions, config.replicationFactor()).configs(settings));
    }

    private static void create(Admin admin, Map<String, NewTopic> wanted)
            throws ExecutionException, InterruptedException {
        var existing = admin.listTopics().names().get();
        List<NewTopic> missing = wanted.values().stream()
                .filter(topic -> !existing.contains(topic.name()))
                .toList();
        for (var created : admin.createTopics(missing).values().values()) {
            try {
                created.get();
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof TopicExistsException)) {
                    throw e;
                }
                // Another instance was faster.
            }
        }
    }

    /** Topics that were created a moment ago may not be known to every broker yet, for one question or the other. */
    private static List<String> checkCreated(Admin admin, Map<String, NewTopic> wanted)
            throws ExecutionException, InterruptedException {
        long until = System.nanoTime() + SPREADING.toNanos();
        while (true) {
            try {
                List<String> wrong = new ArrayList<>();
                checkTopics(admin, wanted, wrong);
                return wrong;
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof UnknownTopicOrPartitionException) || System.nanoTime() > until) {
                    throw e;
                }
                Thread.sleep(100);
            }
        }
    }

    /** A topic that somebody created otherwise must still let the largest record through and agree on the routes. */
    private static void checkTopics(Admin admin, Map<String, NewTopic> wanted, List<String> wrong)
            throws ExecutionException, InterruptedException {
        Map<String, TopicDescription> descriptions =
                admin.describeTopics(wanted.keySet()).allTopicNames().get();
        Map<ConfigResource, Config> settings = admin.describeConfigs(wanted.keySet().stream()
                        .map(name -> new ConfigResource(ConfigResource.Type.TOPIC, name))
                        .toList())
                .all()
                .get();
        settings.forEach((resource, topic) -> {
            NewTopic want = wanted.get(resource.name());
            if (want == null) {
                return;
            }
            int most = number(topic, TopicConfig.MAX_MESSAGE_BYTES_CONFIG, 0);
            int needed = Integer.parseInt(want.configs().get(TopicConfig.MAX_MESSAGE_BYTES_CONFIG));
            if (most < needed) {
                wrong.add("topic " + resource.name() + " has max.message.bytes " + most + ", expected at least "
                        + needed);
            }
            String policy = value(topic, TopicConfig.CLEANUP_POLICY_CONFIG);
            if (!TopicConfig.CLEANUP_POLICY_DELETE.equals(policy)) {
                wrong.add("topic " + resource.name() + " has cleanup.policy " + policy + ", expected delete");
            }
        });
        Map<String, Integer> routes = new HashMap<>();
        descriptions.forEach((name, description) -> {
            String kind = Topics.kind(name);
            if (kind.equals("prompts") || kind.equals("embeddings") || kind.equals("tokens")) {
                String model = name.substring(0, name.length() - kind.length());
                int partitions = description.partitions().size();
                Integer other = routes.putIfAbsent(model, partitions);
                if (other != null && other != partitions) {
                    wrong.add("topic " + name + " has " + partitions + " partitions and another of its model " + other
                            + "; prompts, embeddings and tokens must agree, as a partition is a route");
                }
            }
        });
    }

    /** Jobs that were queued before the first worker came count too, and locks are short. */
    private void group(Admin admin, String group) throws ExecutionException, InterruptedException {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        Config present = describe(admin, resource);
        Map<String, String> want = new LinkedHashMap<>();
        want.put("share.auto.offset.reset", "earliest");
        want.put(
                "share.record.lock.duration.ms",
                String.valueOf(config.lockDuration().toMillis()));
        if (present.get("share.renew.acknowledge.enable") != null) {
            // Brokers after 4.2 refuse RENEW unless the group asks for it (KAFKA-20161).
            want.put("share.renew.acknowledge.enable", "true");
        }
        List<AlterConfigOp> changes = want.entrySet().stream()
                .filter(setting -> present.get(setting.getKey()) == null
                        || !setting.getValue()
                                .equals(present.get(setting.getKey()).value()))
                .map(setting -> new AlterConfigOp(
                        new ConfigEntry(setting.getKey(), setting.getValue()), AlterConfigOp.OpType.SET))
                .collect(Collectors.toList());
        if (!changes.isEmpty()) {
            admin.incrementalAlterConfigs(Map.of(resource, changes)).all().get();
            awaitSettings(admin, resource, want);
        }
    }

    /** The controller confirms before the brokers know: a worker that joined in between would begin at the latest job. */
    private static void awaitSettings(Admin admin, ConfigResource resource, Map<String, String> want)
            throws ExecutionException, InterruptedException {
        long until = System.nanoTime() + SPREADING.toNanos();
        while (true) {
            Config present = describe(admin, resource);
            if (want.entrySet().stream()
                    .allMatch(setting -> setting.getValue().equals(value(present, setting.getKey())))) {
                return;
            }
            if (System.nanoTime() > until) {
                throw new ExecutionException(new org.apache.kafka.common.errors.TimeoutException(
                        "settings of group " + resource.name() + " have not arrived"));
            }
            Thread.sleep(50);
        }
    }
}
