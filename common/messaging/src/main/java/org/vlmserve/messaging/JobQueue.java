package org.vlmserve.messaging;

import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.WakeupException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.PictureFailed;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.WireMessage;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * Works one queue of one model off, with a fixed number of workers.
 *
 * <p>A worker is a share consumer with two threads. One polls and does nothing else: it takes one record, renews the
 * record's lock while the other computes, and settles it. Every job ends in exactly one of these ways:
 *
 * <table>
 * <caption>How a job ends</caption>
 * <tr><td>the handler returns</td><td>accepted once all outputs are acknowledged</td></tr>
 * <tr><td>the handler throws {@link VlmException}</td><td>the caller is told, then accepted</td></tr>
 * <tr><td>any other throwable, or an output that Kafka refuses</td><td>released for another try</td></tr>
 * <tr><td>the process dies</td><td>the broker releases it</td></tr>
 * <tr><td>delivered more than {@link RoadConfig#maxDeliveries()} times</td><td>not computed: the caller is told {@code POISONED},
 *     and a dead letter, then accepted</td></tr>
 * <tr><td>cancelled or past its deadline</td><td>not computed or given up: the caller is told, then accepted</td></tr>
 * <tr><td>bytes that cannot be decoded</td><td>a dead letter, then accepted</td></tr>
 * <tr><td>{@link #close}</td><td>finished within the grace, or put back</td></tr>
 * </table>
 *
 * <p>The caller is told by {@link PictureFailed}, or of a plan by {@link org.vlmserve.protocol.AnswerEvent.Failed}. A job that is
 * put back is a new record: Kafka counts a release as a delivery, and a fleet that restarts would poison its longest jobs.
 *
 * <p>Delivery is at least once: a crash between the outputs and the acceptance repeats the job, and the join in front of the
 * decoder drops the duplicates. Deadlines are compared with this host's clock.
 */
public final class JobQueue<J extends WireMessage> implements AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(JobQueue.class);
    private static final Duration POLL = Duration.ofMillis(500);
    private static final Duration TICK = Duration.ofMillis(100);

    /**
     * What a queue needs to know of its jobs.
     *
     * @param failed how a job's caller is told that nothing comes of it
     */
    record Kind<J extends WireMessage>(
            Class<J> type, Function<J, Envelope> envelope, BiFunction<J, VlmException, WireMessage> failed) {

        /** Jobs that a picture is made of. */
        static <J extends WireMessage> Kind<J> ofPictures(
                Class<J> type, Function<J, Envelope> envelope, Function<J, PictureKey> picture) {
            return new Kind<>(
                    type,
                    envelope,
                    (job, error) -> new PictureFailed(
                            envelope.apply(job), picture.apply(job), error.code(), String.valueOf(error.getMessage())));
        }
    }

    private final RoadConfig config;
    private final RoadProducer producer;
    private final ControlListener control;
    private final String topic;
    private final Kind<J> kind;
    private final JobHandler<J> handler;
    private final MeterRegistry metrics;
    private final Tags tags;
    private final AtomicInteger inFlight = new AtomicInteger();
    private final List<Worker> workers = new ArrayList<>();
    private volatile boolean closing;
    private volatile long giveUpNanos = Long.MAX_VALUE;
    private volatile @Nullable Throwable failure;

    JobQueue(
            RoadConfig config,
            String instance,
            RoadProducer producer,
            ControlListener control,
            MeterRegistry metrics,
            String topic,
            String model,
            Kind<J> kind,
            int workers,
            JobHandler<J> handler) {
        this.config = config;
        this.producer = producer;
        this.control = control;
        this.topic = topic;
        this.kind = kind;
        this.handler = handler;
        this.metrics = metrics;
        this.tags = Tags.of("queue", Topics.kind(topic), "model", model);
        Gauge.builder("vlm.jobs.inflight", inFlight, AtomicInteger::get)
                .tags(tags)
                .register(metrics);
        for (int i = 0; i < workers; i++) {
            this.workers.add(new Worker(instance + "-" + Topics.kind(topic) + "-" + i));
        }
        this.workers.forEach(Worker::start);
    }

    /** Jobs that are being computed in this process. */
    public int running() {
        return inFlight.get();
    }

    public int workers() {
        return workers.size();
    }

    /** Why a worker ended for good, if one did; the process should be replaced. */
    public Optional<Throwable> failure() {
        return Optional.ofNullable(failure);
    }

    /** Takes no more jobs, gives those begun five seconds to end, and hands back the rest. */
    @Override
    public void close() {
        close(Duration.ofSeconds(5));
    }

    /**
     * Takes no more jobs and hands back what has not ended in time.
     *
     * @param grace how long jobs begun may go on before they are handed back
     */
    public void close(Duration grace) {
        giveUpNanos = System.nanoTime() + grace.toNanos();
        closing = true;
        workers.forEach(worker -> worker.consumer.wakeup());
        Duration atMost = grace.plusSeconds(5);
        workers.forEach(worker -> Threads.join(worker.poller, atMost));
    }

    private void count(String name, Tags more) {
        Counter.builder(name).tags(tags.and(more)).register(metrics).increment();
    }

    /** Settles one record's fate; named apart from Kafka's type to keep RENEW out. */
    private enum Settle {
        ACCEPT(AcknowledgeType.ACCEPT),
        RELEASE(AcknowledgeType.RELEASE);

        private final AcknowledgeType kafka;

        Settle(AcknowledgeType kafka) {
            this.kafka = kafka;
        }
    }

    private final class Worker {

        private final KafkaShareConsumer<String, byte[]> consumer;
        private final ExecutorService computing;
        private final Thread poller;

        Worker(String name) {
            this.consumer = KafkaClients.worker(config, name, Topics.queueGroup(topic));
            this.computing = Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().name("vlm-work-" + name).daemon().factory());
            this.poller = Thread.ofPlatform().name("vlm-queue-" + name).daemon().unstarted(this::run);
        }

        void start() {
            poller.start();
        }

        private void run() {
            try (consumer) {
                consumer.subscribe(List.of(topic));
                while (!closing) {
                    ConsumerRecords<String, byte[]> records;
                    try {
                        records = consumer.poll(POLL);
                    } catch (WakeupException e) {
                        continue;
                    } catch (RetriableException e) {
                        log.warn("{} waits for Kafka: {}", topic, e.getMessage());
                        continue;
                    }
                    take(records);
                }
            } catch (RuntimeException e) {
                failure = e;
                log.error("a worker of {} ends", topic, e);
            } finally {
                computing.shutdown();
            }
        }

        /** One record a poll is what is asked for; should more come, the later ones go back at once. */
        private void take(ConsumerRecords<String, byte[]> records) {
            boolean first = true;
            for (ConsumerRecord<String, byte[]> record : records) {
                if (first && !closing) {
                    process(record);
                } else {
                    putBack(record, failedBefore(record));
                }
                first = false;
            }
        }

        /** Deliveries that came to nothing before this one. */
        private int failedBefore(ConsumerRecord<?, ?> record) {
            return Records.failedDeliveries(record) + record.deliveryCount().orElse((short) 1) - 1;
        }

        /** Gives a job back that this worker does not do, which is nobody's failure. */
        private void putBack(ConsumerRecord<String, byte[]> record, int failedDeliveries) {
            log.info(
                    "{}-{} offset {} is put back, after {} failed deliveries",
                    topic,
                    record.partition(),
                    record.offset(),
                    failedDeliveries);
            count("vlm.jobs.putback", Tags.empty());
            settleAfter(producer.putBack(record, failedDeliveries), record);
        }

        private void process(ConsumerRecord<String, byte[]> record) {
            int delivery = failedBefore(record) + 1;
            if (delivery > 1) {
                count("vlm.jobs.redelivered", Tags.empty());
                log.info("{}-{} offset {}: delivery {}", topic, record.partition(), record.offset(), delivery);
            }
            J job;
            try {
                job = Records.decode(record, kind.type);
            } catch (VlmException e) {
                log.warn("{}-{} offset {}: {}", topic, record.partition(), record.offset(), e.getMessage());
                count("vlm.jobs.failed", Tags.of("code", e.code().wireName()));
                settleAfter(producer.deadLetter(record, e.code(), String.valueOf(e.getMessage())), record);
                return;
            }
            Envelope envelope = kind.envelope.apply(job);
            if (control.isCancelled(envelope.requestId())) {
                settleAfter(fail(job, cancelled(envelope)), record);
            } else if (envelope.expired(Instant.now())) {
                settleAfter(fail(job, expired(envelope)), record);
            } else if (delivery > config.maxDeliveries()) {
                count("vlm.jobs.poisoned", Tags.empty());
                VlmException poisoned = new VlmException(
                        ErrorCode.POISONED,
                        "a job of the request was delivered " + (delivery - 1) + " times to " + Topics.kind(topic)
                                + " workers and none of them finished it");
                settleAfter(
                        CompletableFuture.allOf(
                                fail(job, poisoned),
                                producer.deadLetter(record, ErrorCode.POISONED, String.valueOf(poisoned.getMessage()))),
                        record);
            } else {
                compute(record, job, envelope, delivery);
            }
        }

        private void compute(ConsumerRecord<String, byte[]> record, J job, Envelope envelope, int delivery) {
            Duration waited = Duration.ofMillis(Math.max(0, System.currentTimeMillis() - record.timestamp()));
            if (delivery == 1) {
                Timer.builder("vlm.queue.wait").tags(tags).register(metrics).record(waited);
            }
            Counter.builder("vlm.jobs.bytes")
                    .tags(tags)
                    .baseUnit("bytes")
                    .register(metrics)
                    .increment(record.value().length);
            Context context = new Context(envelope, waited);
            CompletableFuture<?> done = CompletableFuture.runAsync(
                    () -> {
                        inFlight.incrementAndGet();
                        try {
                            handler.handle(job, context);
                        } catch (RuntimeException e) {
                            throw e;
                        } catch (Exception e) {
                            throw new java.util.concurrent.CompletionException(e);
                        } finally {
                            inFlight.decrementAndGet();
                        }
                    },
                    computing);
            Duration renewal = config.lockDuration().dividedBy(3);
            long renewAt = System.nanoTime() + renewal.toNanos();
            boolean locked = true;
            while (true) {
                try {
                    done.get(TICK.toMillis(), TimeUnit.MILLISECONDS);
                    succeeded(record, job, context, locked);
                    return;
                } catch (ExecutionException e) {
                    threw(record, job, locked, e.getCause() == null ? e : e.getCause());
                    return;
                } catch (TimeoutException e) {
                    // Still computing.
                } catch (InterruptedException e) {
                    throw new IllegalStateException("nobody may interrupt " + poller.getName(), e);
                }
                if (locked && envelope.expired(Instant.now())) {
                    // The lock goes no further than the deadline; the worker finds out at its next checkpoint.
                    settleAfter(fail(job, expired(envelope)), record);
                    context.settled = true;
                    locked = false;
                }
                if (closing && System.nanoTime() - giveUpNanos > 0) {
                    context.settled = true;
                    if (locked) {
                        putBack(record, delivery - 1);
                    }
                    return;
                }
                if (locked && System.nanoTime() - renewAt > 0) {
                    locked = renew(record);
                    context.settled = !locked;
                    renewAt = System.nanoTime() + renewal.toNanos();
                }
            }
        }

        private void succeeded(ConsumerRecord<String, byte[]> record, J job, Context context, boolean locked) {
            if (!locked) {
                return;
            }
            try {
                context.awaitOutputs();
            } catch (ExecutionException | TimeoutException e) {
                threw(record, job, true, e);
                return;
            }
            count("vlm.jobs.handled", Tags.empty());
            settle(record, Settle.ACCEPT);
        }

        private void threw(ConsumerRecord<String, byte[]> record, J job, boolean locked, Throwable error) {
            if (!locked) {
                log.info("{}-{} offset {}: given up: {}", topic, record.partition(), record.offset(), error.toString());
            } else if (error instanceof VlmException known) {
                CompletableFuture<?> told = fail(job, known);
                if (known.code().deadLettered()) {
                    told = CompletableFuture.allOf(
                            told, producer.deadLetter(record, known.code(), String.valueOf(known.getMessage())));
                }
                settleAfter(told, record);
            } else {
                count("vlm.jobs.crashed", Tags.empty());
                log.warn(
                        "{}-{} offset {}: the worker crashed; another try follows, after {} the job is poisoned",
                        topic,
                        record.partition(),
                        record.offset(),
                        config.maxDeliveries(),
                        error);
                settle(record, Settle.RELEASE);
            }
        }

        private CompletableFuture<?> fail(J job, VlmException error) {
            count("vlm.jobs.failed", Tags.of("code", error.code().wireName()));
            return send(kind.envelope.apply(job), kind.failed.apply(job, error));
        }

        /** Accepts once {@code told} is acknowledged; if it never is, the job goes back and is told again later. */
        private void settleAfter(CompletableFuture<?> told, ConsumerRecord<String, byte[]> record) {
            try {
                told.get(config.lockDuration().toMillis(), TimeUnit.MILLISECONDS);
                settle(record, Settle.ACCEPT);
            } catch (ExecutionException | TimeoutException e) {
                log.warn("{}-{} offset {} goes back: {}", topic, record.partition(), record.offset(), e.toString());
                settle(record, Settle.RELEASE);
            } catch (InterruptedException e) {
                throw new IllegalStateException("nobody may interrupt " + poller.getName(), e);
            }
        }

        private void settle(ConsumerRecord<String, byte[]> record, Settle settle) {
            consumer.acknowledge(record, settle.kafka);
            commit(record, settle.name());
        }

        /** Whether the broker took the acknowledgement. */
        private boolean commit(ConsumerRecord<String, byte[]> record, String what) {
            boolean taken = true;
            for (int attempt = 0; attempt < 2; attempt++) {
                try {
                    for (var result :
                            consumer.commitSync(KafkaClients.REQUEST_TIMEOUT).values()) {
                        if (result.isPresent()) {
                            taken = false;
                            count("vlm.jobs.locklost", Tags.empty());
                            log.info(
                                    "{}-{} offset {}: {} came too late, another worker has the job: {}",
                                    topic,
                                    record.partition(),
                                    record.offset(),
                                    what,
                                    result.get().toString());
                        }
                    }
                    return taken;
                } catch (WakeupException e) {
                    // close() woke this thread; the acknowledgement still has to go out.
                } catch (RetriableException e) {
                    log.warn(
                            "{}-{} offset {}: {} did not get through; the job comes again: {}",
                            topic,
                            record.partition(),
                            record.offset(),
                            what,
                            e.getMessage());
                    return false;
                }
            }
            return taken;
        }

        /**
         * Renews the lock. The client hands a renewed record out again by {@code poll}, and takes the next
         * acknowledgement only after that.
         */
        private boolean renew(ConsumerRecord<String, byte[]> held) {
            consumer.acknowledge(held, AcknowledgeType.RENEW);
            if (!commit(held, "RENEW")) {
                return false;
            }
            long until = System.nanoTime() + config.lockDuration().dividedBy(3).toNanos();
            while (System.nanoTime() < until) {
                ConsumerRecords<String, byte[]> records;
                try {
                    records = consumer.poll(TICK);
                } catch (WakeupException | RetriableException e) {
                    continue;
                }
                boolean back = false;
                for (ConsumerRecord<String, byte[]> record : records) {
                    if (record.partition() == held.partition() && record.offset() == held.offset()) {
                        back = true;
                    } else {
                        putBack(record, failedBefore(record));
                    }
                }
                if (back) {
                    return true;
                }
            }
            log.warn("{}-{} offset {}: the renewed record did not return", topic, held.partition(), held.offset());
            return false;
        }
    }

    /** An answer's topic is its request's. */
    private CompletableFuture<?> send(Envelope envelope, WireMessage message) {
        return message instanceof AnswerEvent event
                ? producer.answer(envelope.model(), envelope.route(), event)
                : producer.send(message);
    }

    private static VlmException cancelled(Envelope envelope) {
        return new VlmException(ErrorCode.CANCELLED, "request " + envelope.requestId() + " was cancelled");
    }

    private static VlmException expired(Envelope envelope) {
        return new VlmException(
                ErrorCode.DEADLINE_EXCEEDED,
                "request " + envelope.requestId() + " had to be answered by " + envelope.deadline());
    }

    private final class Context implements JobContext {

        private final Envelope envelope;
        private final Duration waited;
        private final List<CompletableFuture<?>> outputs = new ArrayList<>();
        private volatile boolean settled;

        Context(Envelope envelope, Duration waited) {
            this.envelope = envelope;
            this.waited = waited;
        }

        @Override
        public Duration waited() {
            return waited;
        }

        @Override
        public void checkpoint() {
            if (control.isCancelled(envelope.requestId())) {
                throw cancelled(envelope);
            }
            if (envelope.expired(Instant.now())) {
                throw expired(envelope);
            }
            if (settled) {
                throw new VlmException(ErrorCode.CANCELLED, "the job is no longer this worker's");
            }
        }

        @Override
        public synchronized void publish(WireMessage output) {
            outputs.add(send(envelope, output));
            Counter.builder("vlm.jobs.outputs").tags(tags).register(metrics).increment();
        }

        @Override
        public Envelope envelope() {
            return envelope;
        }

        synchronized void awaitOutputs() throws ExecutionException, TimeoutException {
            try {
                CompletableFuture.allOf(outputs.toArray(CompletableFuture[]::new))
                        .get(config.lockDuration().dividedBy(2).toMillis(), TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                throw new IllegalStateException("nobody may interrupt a queue's poller", e);
            }
        }
    }
}
