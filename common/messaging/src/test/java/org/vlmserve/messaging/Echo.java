package org.vlmserve.messaging;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.EmbeddingSlice;
import org.vlmserve.protocol.EncoderJob;
import org.vlmserve.protocol.FeatureSlice;
import org.vlmserve.protocol.ImageJob;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.LayoutReady;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.PlanJob;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.Stage;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.TileJob;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * Stages that compute something simple and exact: the encoder gives each byte of the picture a row of two floats, the
 * projector doubles and adds one, the decoder says one token per row of each picture and one per word of the question. An
 * answer is therefore known in advance, whoever computed it.
 */
final class Echo {

    static final String REVISION = "0123456789ab";
    private static final int SLICE_ROWS = 3;
    private static final int TILE_ROWS = 4;

    private Echo() {}

    static ModelRef model(String name) {
        return new ModelRef(name, REVISION);
    }

    /** What the decoder answers to a question about pictures. */
    static String answer(String question, List<String> pictures) {
        return String.join(
                "", tokens(question, pictures.stream().map(Echo::projected).toList()));
    }

    private static List<float[]> projected(String picture) {
        return encoded(picture.getBytes(StandardCharsets.UTF_8)).stream()
                .map(row -> new float[] {row[0] * 2 + 1, row[1] * 2 + 1})
                .toList();
    }

    static List<float[]> encoded(byte[] content) {
        List<float[]> rows = new ArrayList<>();
        if (content.length > 10_000) {
            // A row for each byte of a large file would be a test of patience: one row sums it up.
            rows.add(new float[] {Arrays.hashCode(content) & 0xFFFF, content.length & 0xFFFF});
            return rows;
        }
        for (int i = 0; i < content.length; i++) {
            rows.add(new float[] {content[i], i});
        }
        return rows;
    }

    static List<String> tokens(String question, List<List<float[]>> pictures) {
        List<String> tokens = new ArrayList<>();
        for (List<float[]> picture : pictures) {
            for (float[] row : picture) {
                tokens.add((int) row[0] + ":" + (int) row[1] + " ");
            }
        }
        for (String word : question.split(" ")) {
            tokens.add(word + " ");
        }
        return tokens;
    }

    static PictureLayout layout(int rows) {
        return new PictureLayout(
                PictureSource.still(rows, 1), rows, 1, List.of(new PictureLayout.Grid(1, 1, rows)), rows, rows, rows);
    }

    static byte[] file(ImageJob job) {
        return job.content().files().getFirst();
    }

    /** Encodes; on request of the picture's first byte in tiles that are put back, or shuffled and doubled. */
    static void encode(EncoderJob job, JobContext context) {
        switch (job) {
            case ImageJob image -> encode(image, context);
            case TileJob tile -> encodeTile(tile, context);
        }
    }

    private static void encode(ImageJob job, JobContext context) {
        context.checkpoint();
        byte[] content = file(job);
        if (content.length == 0) {
            throw new VlmException(ErrorCode.PICTURE_UNREADABLE, "picture of 0 bytes, expected at least one");
        }
        List<float[]> rows = encoded(content);
        if (content[0] == '#') {
            encodeInTiles(job, content, context);
            return;
        }
        context.publish(new LayoutReady(job.envelope(), job.picture(), layout(rows.size())));
        List<FeatureSlice> slices = new ArrayList<>();
        for (int from = 0; from < rows.size(); from += SLICE_ROWS) {
            int to = Math.min(rows.size(), from + SLICE_ROWS);
            slices.add(new FeatureSlice(
                    job.envelope(),
                    job.picture(),
                    from,
                    rows.size(),
                    tensor(rows.subList(from, to)),
                    from == 0 ? StageTimes.ZERO.withEncode(Duration.ofMillis(7)) : StageTimes.ZERO));
        }
        if (content[0] == '~') {
            slices.addAll(List.copyOf(slices));
            java.util.Collections.shuffle(slices, new java.util.Random(7));
        }
        slices.forEach(context::publish);
    }

    private static void encodeInTiles(ImageJob job, byte[] content, JobContext context) {
        List<PictureLayout.Grid> grids = new ArrayList<>();
        for (int from = 0; from < content.length; from += TILE_ROWS) {
            grids.add(new PictureLayout.Grid(1, 1, Math.min(TILE_ROWS, content.length - from)));
        }
        int rows = content.length;
        context.publish(new LayoutReady(
                job.envelope(),
                job.picture(),
                new PictureLayout(PictureSource.still(rows, 1), rows, 1, grids, rows, rows, rows)));
        for (int tile = 1; tile < grids.size(); tile++) {
            context.publish(tile(job, content, tile, grids.get(tile)));
        }
        encodeTile(tile(job, content, 0, grids.getFirst()), context);
    }

    /** Each byte of the picture is a grey pixel. */
    private static TileJob tile(ImageJob job, byte[] content, int tile, PictureLayout.Grid grid) {
        int from = tile * TILE_ROWS;
        ByteBuffer pixels = ByteBuffer.allocate(3 * grid.width());
        for (int i = 0; i < grid.width(); i++) {
            pixels.put(content[from + i]).put(content[from + i]).put(content[from + i]);
        }
        return new TileJob(
                job.envelope(),
                job.picture(),
                tile,
                from,
                grid.width(),
                content.length,
                grid,
                new Tensor(DType.U8, new int[] {1, 1, grid.width(), 3}, pixels.flip()));
    }

    private static void encodeTile(TileJob tile, JobContext context) {
        context.checkpoint();
        List<float[]> rows = new ArrayList<>();
        for (int i = 0; i < tile.rows(); i++) {
            rows.add(new float[] {tile.pixels().data().get(3 * i), tile.firstRow() + i});
        }
        context.publish(new FeatureSlice(
                tile.envelope(),
                tile.picture(),
                tile.firstRow(),
                tile.totalRows(),
                tensor(rows),
                StageTimes.ZERO.withEncode(Duration.ofMillis(7))));
    }

    /** A plan of a file is what its encoding begins with; a plan of a size has a token a pixel. */
    static PictureLayout plan(PlanJob job) {
        return switch (job.subject()) {
            case PictureFiles content -> {
                if (content.size() == 0) {
                    throw new VlmException(ErrorCode.PICTURE_UNREADABLE, "picture of 0 bytes, expected at least one");
                }
                yield layout((int) content.size());
            }
            case PictureSource source -> layout(source.width() * source.height());
        };
    }

    static void project(FeatureSlice slice, JobContext context) {
        context.checkpoint();
        float[] values = slice.rows().toFloats();
        for (int i = 0; i < values.length; i++) {
            values[i] = values[i] * 2 + 1;
        }
        context.publish(new EmbeddingSlice(
                slice.envelope(),
                slice.picture(),
                slice.firstRow(),
                slice.totalRows(),
                Tensor.ofFloats(values, slice.rows().shape()),
                slice.times()));
    }

    private static Tensor tensor(List<float[]> rows) {
        float[] values = new float[rows.size() * 2];
        for (int i = 0; i < rows.size(); i++) {
            values[2 * i] = rows.get(i)[0];
            values[2 * i + 1] = rows.get(i)[1];
        }
        return Tensor.ofFloats(values, rows.size(), 2);
    }

    /** A decoder with slots; says a token each {@code pace}, and dies after {@code dieAfter} tokens if told to. */
    static class Decoder implements PromptHandler, AutoCloseable {

        private final int slots;
        private final Duration pace;
        private final int dieAfter;
        private final AtomicInteger used = new AtomicInteger();
        private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
        final AtomicInteger started = new AtomicInteger();
        final AtomicInteger stopped = new AtomicInteger();
        volatile StageTimes lastTimes = StageTimes.ZERO;

        Decoder(int slots, Duration pace) {
            this(slots, pace, Integer.MAX_VALUE);
        }

        Decoder(int slots, Duration pace, int dieAfter) {
            this.slots = slots;
            this.pace = pace;
            this.dieAfter = dieAfter;
        }

        /** What the instance reports: ample, unless a test is about a full decoder. */
        int capacity() {
            return 64;
        }

        @Override
        public int freeSlots() {
            return slots - used.get();
        }

        @Override
        public void start(ReadyPrompt prompt, AnswerSink sink) {
            used.incrementAndGet();
            started.incrementAndGet();
            lastTimes = prompt.times();
            threads.execute(() -> {
                try {
                    answer(prompt, sink);
                } finally {
                    used.decrementAndGet();
                }
            });
        }

        private void answer(ReadyPrompt prompt, AnswerSink sink) {
            List<String> tokens = tokens(question(prompt.job().turns()), rows(prompt.pictures()));
            StringBuilder text = new StringBuilder();
            prompt.logged().forEach(token -> text.append(token.text()));
            try {
                for (int index = prompt.logged().size(); index < tokens.size(); index++) {
                    sink.checkpoint();
                    if (index >= dieAfter) {
                        Runtime.getRuntime().halt(137);
                    }
                    sink.token(index, index, tokens.get(index), null, List.of());
                    text.append(tokens.get(index));
                    if (!pace.isZero()) {
                        Thread.sleep(pace);
                    }
                }
                sink.finished(
                        AnswerEvent.FinishReason.STOP,
                        text.toString(),
                        new AnswerEvent.Usage(1, 1, 0, tokens.size()),
                        prompt.times(),
                        prompt.pictures().stream().map(ReadyPicture::layout).toList(),
                        List.of(),
                        List.of());
            } catch (VlmException e) {
                stopped.incrementAndGet();
                sink.failed(e);
            } catch (InterruptedException e) {
                sink.failed(new VlmException(ErrorCode.CANCELLED, "interrupted"));
            }
        }

        private static String question(List<ChatTurn> turns) {
            StringBuilder question = new StringBuilder();
            for (ChatTurn turn : turns) {
                for (ChatTurn.Part part : turn.parts()) {
                    if (part instanceof ChatTurn.Text text) {
                        question.append(text.text());
                    }
                }
            }
            return question.toString();
        }

        private static List<List<float[]>> rows(List<ReadyPicture> pictures) {
            return pictures.stream()
                    .map(picture -> {
                        float[] values = picture.embeddings().toFloats();
                        List<float[]> rows = new ArrayList<>();
                        for (int i = 0; i < values.length; i += 2) {
                            rows.add(new float[] {values[i], values[i + 1]});
                        }
                        return rows;
                    })
                    .toList();
        }

        @Override
        public void close() {
            threads.shutdown();
        }
    }

    /** One process of one stage, as a service would put it together. */
    static final class Instance implements AutoCloseable {

        final Road road;
        final SimpleMeterRegistry metrics = new SimpleMeterRegistry();
        private final List<AutoCloseable> parts = new ArrayList<>();
        private final StatusReporter reporter;
        private boolean closed;

        private Instance(String model, Stage stage, Opener opener) {
            String name = stage.wireName() + "-"
                    + Long.toHexString(ThreadLocalRandom.current().nextLong());
            road = new Road(TestBroker.config(), name, metrics);
            ModelRef ref = model(model);
            prepare(road, ref);
            Served served = opener.open(road, ref, parts);
            reporter =
                    road.report(() -> new InstanceStatus(name, stage, true, Instant.now(), List.of(served.now(ref))));
        }

        /** As the stages do: a busy broker may need more than one attempt. */
        private static void prepare(Road road, ModelRef model) {
            long until = System.nanoTime() + Duration.ofMinutes(2).toNanos();
            Optional<String> problem = road.prepare(List.of(model));
            while (problem.isPresent()) {
                if (System.nanoTime() > until) {
                    throw new IllegalStateException(problem.get());
                }
                problem = road.prepare(List.of(model));
            }
        }

        interface Served {
            InstanceStatus.ServedModel now(ModelRef model);
        }

        interface Opener {
            Served open(Road road, ModelRef model, List<AutoCloseable> parts);
        }

        static Instance encoder(String model, int workers, JobHandler<EncoderJob> handler) {
            return new Instance(model, Stage.VISION_ENCODER, (road, ref, parts) -> {
                JobQueue<EncoderJob> queue = road.encodeImages(ref, workers, handler);
                parts.add(queue);
                parts.add(road.planPictures(ref, Echo::plan));
                return m -> new InstanceStatus.ServedModel(m, List.of(), 0, queue.running(), workers, 0, Instant.EPOCH);
            });
        }

        static Instance projector(String model, int workers, JobHandler<FeatureSlice> handler) {
            return new Instance(model, Stage.PROJECTOR, (road, ref, parts) -> {
                JobQueue<FeatureSlice> queue = road.projectFeatures(ref, workers, handler);
                parts.add(queue);
                return m -> new InstanceStatus.ServedModel(m, List.of(), 0, queue.running(), workers, 0, Instant.EPOCH);
            });
        }

        static Instance decoder(String model, Decoder decoder) {
            return decoder(model, decoder, 64 << 20);
        }

        static Instance decoder(String model, Decoder decoder, long pictureBytes) {
            return new Instance(model, Stage.DECODER, (road, ref, parts) -> {
                PromptRoad prompts = road.answerPrompts(ref, pictureBytes, decoder);
                parts.add(prompts);
                parts.add(decoder);
                return m -> new InstanceStatus.ServedModel(
                        m,
                        prompts.ownedRoutes(),
                        prompts.waiting(),
                        prompts.running(),
                        decoder.capacity(),
                        1000,
                        Instant.EPOCH);
            });
        }

        /** Silent from now on, as if the process had been killed; its threads go on so that the test can end it. */
        void fallSilent() {
            reporter.stopReporting();
        }

        /** Lets go of what is running, without any grace. */
        void closeNow() {
            for (AutoCloseable part : parts) {
                switch (part) {
                    case JobQueue<?> queue -> queue.close(Duration.ZERO);
                    case PromptRoad prompts -> prompts.close(Duration.ZERO);
                    default -> {}
                }
            }
            close();
        }

        @Override
        public void close() {
            if (closed) {
                return;
            }
            closed = true;
            for (AutoCloseable part : parts) {
                try {
                    part.close();
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            }
            reporter.close();
            road.close();
        }
    }

    static AskRequest ask(String model, String question, String... pictures) {
        return ask(model, "tenant", Duration.ofMinutes(3), question, pictures);
    }

    static AskRequest ask(String model, String tenant, Duration deadline, String question, String... pictures) {
        List<ChatTurn.Part> parts = new ArrayList<>();
        List<AskRequest.PictureInput> inputs = new ArrayList<>();
        for (int i = 0; i < pictures.length; i++) {
            parts.add(new ChatTurn.Picture(i));
            inputs.add(new AskRequest.PictureInput(
                    PictureFiles.still(pictures[i].getBytes(StandardCharsets.UTF_8)), PixelLimits.NONE));
        }
        parts.add(new ChatTurn.Text(question));
        return new AskRequest(
                "req-" + Long.toHexString(ThreadLocalRandom.current().nextLong()),
                model,
                tenant,
                Instant.now().plus(deadline),
                List.of(new ChatTurn("user", parts, false)),
                PromptJob.NO_ARGUMENTS,
                inputs,
                org.vlmserve.protocol.Sampling.DEFAULTS,
                "");
    }

    static PictureKey key(String model, String tenant, String picture) {
        return PictureKey.of(
                tenant, model(model), PixelLimits.NONE, PictureFiles.still(picture.getBytes(StandardCharsets.UTF_8)));
    }
}
