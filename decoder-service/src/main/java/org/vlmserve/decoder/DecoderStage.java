package org.vlmserve.decoder;

import io.micrometer.core.instrument.MeterRegistry;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.prompt.PreparedPrompt;
import org.vlmserve.families.prompt.PromptBuilder;
import org.vlmserve.families.prompt.TemplateArguments;
import org.vlmserve.families.prompt.Tokenizer;
import org.vlmserve.messaging.PromptHandler;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.Region;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * Answers prompts with one language model, several at once.
 *
 * <p>One thread owns the model. In turn it takes a piece of the prompt that prefills, then one decode step of all rows
 * together: a long prompt delays the others by a chunk at most, and a lone answer runs undisturbed. A row that ends leaves
 * within that step. Because the model's rows do not influence each other, and neither chunks nor reused prefixes change what
 * a cache holds, an answer does not depend on what else is being answered.
 */
public final class DecoderStage implements PromptHandler, AutoCloseable {

    private static final Logger log = LoggerFactory.getLogger(DecoderStage.class);

    private final ModelRef ref;
    private final TokenModel model;
    private final PromptBuilder prompts;
    private final BundleManifest.Generation defaults;
    private final DecoderConfig config;
    private final DecoderMetrics metrics;
    private final Sampler sampler;
    private final float[][] logits;
    private final Slots slots;
    private final BlockingQueue<Runnable> arrivals = new LinkedBlockingQueue<>();
    private final Deque<Sequence> waiting = new ArrayDeque<>();
    private final AtomicInteger outstanding = new AtomicInteger();
    private final Thread owner;

    /** Renders and tokenises: seconds for a long text, in which the answers that are running go on. */
    private final ExecutorService preparing;

    private @Nullable Sequence prefilling;
    private float[] embeddings;
    private boolean open = true;
    private volatile boolean closed;

    /** Whether nobody looks into {@link #arrivals} any more. Guarded by them. */
    private boolean ended;

    private volatile int busy;

    /** @param model closed together with the stage; has at least {@link DecoderConfig#modelSlots()} slots */
    public DecoderStage(
            ModelRef ref,
            TokenModel model,
            PromptBuilder prompts,
            BundleManifest.Generation defaults,
            DecoderConfig config,
            MeterRegistry meters) {
        if (model.slots() < config.modelSlots()) {
            throw new IllegalArgumentException(
                    "the model has " + model.slots() + " slots, " + config + " needs " + config.modelSlots());
        }
        this.ref = ref;
        this.model = model;
        this.prompts = prompts;
        this.defaults = defaults;
        this.config = config;
        sampler = new Sampler(model.vocabulary());
        logits = new float[config.slots()][model.vocabulary()];
        slots = new Slots(model);
        embeddings = new float[Math.multiplyExact(Math.max(config.prefillChunk(), config.slots()), model.hidden())];
        metrics = new DecoderMetrics(
                meters, ref, config.slots(), () -> busy, () -> Math.max(0, outstanding.get() - busy));
        preparing = Executors.newSingleThreadExecutor(
                Thread.ofPlatform().daemon().name("prompts-" + ref.model()).factory());
        owner = Thread.ofPlatform().name("decoder-" + ref.model()).start(this::run);
    }

    public ModelRef model() {
        return ref;
    }

    public int capacity() {
        return config.slots();
    }

    /** Requests that prefill or decode. */
    public int running() {
        return busy;
    }

    /** Requests that wait for a slot. */
    public int waiting() {
        return Math.max(0, outstanding.get() - busy);
    }

    /** Whether the stage works; false after {@link #close} and after a defect that it could not survive. */
    public boolean healthy() {
        return !closed;
    }

    @Override
    public int freeSlots() {
        return closed ? 0 : Math.max(0, config.slots() - outstanding.get());
    }

    @Override
    public int contextLength() {
        return model.contextLength();
    }

    @Override
    public void start(ReadyPrompt prompt, AnswerSink sink) {
        long now = System.nanoTime();
        synchronized (arrivals) {
            if (!closed) {
                outstanding.incrementAndGet();
                preparing.execute(() -> prepare(prompt, sink, now));
                return;
            }
        }
        sink.failed(shutDown());
    }

    /** Ends every request that is not finished with {@code STAGE_UNAVAILABLE} and closes the model. */
    @Override
    public void close() {
        arrivals.add(() -> open = false);
        boolean interrupted = false;
        while (owner.isAlive()) {
            try {
                owner.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        model.close();
    }

    private void run() {
        Supplier<VlmException> why = DecoderStage::shutDown;
        try {
            while (open) {
                turn();
            }
        } catch (InterruptedException e) {
            log.info("decoder of {} was interrupted", ref.model());
        } catch (Throwable e) {
            log.error("the decoder of {} breaks down; the process should be replaced", ref.model(), e);
            why = () -> new VlmException(ErrorCode.INTERNAL, "the decoder of " + ref.model() + " broke down", e);
        } finally {
            endAll(why);
        }
    }

    private void turn() throws InterruptedException {
        boolean idle = waiting.isEmpty() && prefilling == null && slots.count() == 0;
        Runnable arrival = idle ? arrivals.take() : arrivals.poll();
        for (; arrival != null; arrival = arrivals.poll()) {
            arrival.run();
        }
        dropCancelledWaiting();
        prefill();
        busy = slots.count() + (prefilling == null ? 0 : 1);
        decode();
        busy = slots.count() + (prefilling == null ? 0 : 1);
    }

    private void endAll(Supplier<VlmException> why) {
        synchronized (arrivals) {
            closed = true;
        }
        for (Sequence sequence : slots.rows()) {
            fail(sequence.sink(), requestId(sequence), why.get());
        }
        if (prefilling != null) {
            fail(prefilling.sink(), requestId(prefilling), why.get());
        }
        for (Sequence sequence : waiting) {
            fail(sequence.sink(), requestId(sequence), why.get());
        }
        preparing.shutdown();
        synchronized (arrivals) {
            ended = true;
            for (Runnable arrival = arrivals.poll(); arrival != null; arrival = arrivals.poll()) {
                arrival.run();
            }
        }
        busy = 0;
    }

    private static VlmException shutDown() {
        return new VlmException(ErrorCode.STAGE_UNAVAILABLE, "the decoder is shutting down; try again");
    }

    private static String requestId(Sequence sequence) {
        return sequence.ready().job().envelope().requestId();
    }

    // ---- arriving

    private void prepare(ReadyPrompt ready, AnswerSink sink, long startedAt) {
        String requestId = ready.job().envelope().requestId();
        Runnable arrival;
        try {
            sink.checkpoint();
            requireRoom(ready.job());
            PreparedPrompt prompt = prompts.prepare(
                    ready.job().turns(),
                    ready.pictures().stream().map(ReadyPicture::layout).toList(),
                    TemplateArguments.parse(ready.job().templateArguments()));
            arrival = () -> admit(ready, sink, prompt, startedAt);
        } catch (RuntimeException | OutOfMemoryError e) {
            arrival = () -> fail(sink, requestId, e);
        }
        synchronized (arrivals) {
            if (!ended) {
                arrivals.add(arrival);
                return;
            }
        }
        fail(sink, requestId, shutDown());
    }

    /** Refuses texts that no tokenizer fits into the context, before they are rendered. */
    private void requireRoom(PromptJob job) {
        long least = 0;
        for (ChatTurn turn : job.turns()) {
            for (ChatTurn.Part part : turn.parts()) {
                if (part instanceof ChatTurn.Text text) {
                    least += prompts.tokenizer().leastTokens(text.text());
                }
            }
        }
        if (least >= model.contextLength()) {
            throw new VlmException(
                    ErrorCode.PROMPT_TOO_LONG,
                    "the conversation's texts take " + least + " tokens or more, and the model's context holds "
                            + model.contextLength() + "; shorten it",
                    "messages",
                    null);
        }
    }

    private void admit(ReadyPrompt ready, AnswerSink sink, PreparedPrompt prompt, long startedAt) {
        String requestId = ready.job().envelope().requestId();
        try {
            if (closed) {
                throw shutDown();
            }
            sink.checkpoint();
            Sequence sequence = sequence(ready, sink, prompt, startedAt);
            for (AnswerEvent.Token token : ready.logged()) {
                if (sequence.end() == null) {
                    sequence.accept(token.tokenId());
                }
            }
            if (sequence.end() != null) {
                finish(sequence);
            } else {
                waiting.add(sequence);
            }
        } catch (RuntimeException | OutOfMemoryError e) {
            fail(sink, requestId, e);
        }
    }

    private Sequence sequence(ReadyPrompt ready, AnswerSink sink, PreparedPrompt prompt, long startedAt) {
        Sampling asked = ready.job().sampling();
        for (ReadyPicture picture : ready.pictures()) {
            int[] shape = picture.embeddings().shape();
            if (picture.embeddings().dtype() != DType.F32
                    || shape.length != 2
                    || shape[0] != picture.layout().embeddingRows()
                    || shape[1] != model.hidden()) {
                throw new VlmException(
                        ErrorCode.INTERNAL,
                        "embeddings of picture " + picture.key() + " are " + picture.embeddings() + "; expected F32["
                                + picture.layout().embeddingRows() + ", " + model.hidden()
                                + "]: do projector and decoder serve the same bundle?");
            }
        }
        SamplingParameters parameters = SamplingParameters.of(
                asked, defaults, prompt.length(), ready.job().envelope().requestId(), model.vocabulary());
        int mostTokens = mostTokens(prompt.length(), asked.maxTokens());
        AnswerText text =
                new AnswerText(prompts.tokenizer().incrementalDecoder(), parameters.stop(), parameters.minTokens());
        return new Sequence(
                ready,
                sink,
                prompt,
                new SamplingState(parameters, prompt.tokenIds(), mostTokens),
                text,
                mostTokens,
                startedAt);
    }

    /** Length at which the answer ends: as asked, as by default, or what the context has room for. Nothing of the prompt is ever truncated. */
    private int mostTokens(int promptLength, @Nullable Integer asked) {
        int room = model.contextLength() - promptLength;
        if (room < 1) {
            throw new VlmException(
                    ErrorCode.PROMPT_TOO_LONG,
                    "a prompt of " + promptLength + " tokens and at least one token of answer make "
                            + (promptLength + 1L)
                            + ", the model's context holds " + model.contextLength()
                            + "; shorten the conversation, or use fewer or smaller pictures",
                    "messages",
                    null);
        }
        return Math.min(room, asked == null ? mostTokensByDefault(promptLength) : asked);
    }

    /** The checkpoint's own bound, which a caller may raise. */
    private int mostTokensByDefault(int promptLength) {
        BundleManifest.Length length = defaults.length();
        if (length.maxNewTokens() != null) {
            return length.maxNewTokens();
        }
        if (length.maxLength() == null) {
            return Integer.MAX_VALUE;
        }
        if (length.maxLength() <= promptLength) {
            throw new VlmException(
                    ErrorCode.PROMPT_TOO_LONG,
                    "a prompt of " + promptLength + " tokens leaves no room in max_length, " + length.maxLength()
                            + " by the checkpoint's generation defaults; send max_tokens to say how long the answer may be",
                    "max_tokens",
                    null);
        }
        return length.maxLength() - promptLength;
    }

    private void dropCancelledWaiting() {
        for (Iterator<Sequence> each = waiting.iterator(); each.hasNext(); ) {
            Sequence sequence = each.next();
            try {
                sequence.sink().checkpoint();
            } catch (RuntimeException e) {
                each.remove();
                fail(sequence.sink(), requestId(sequence), e);
            }
        }
    }

    // ---- prefilling

    private void prefill() {
        if (prefilling == null && slots.count() < config.slots()) {
            prefilling = waiting.poll();
            if (prefilling != null) {
                beginPrefill(prefilling);
            }
        }
        Sequence sequence = prefilling;
        if (sequence == null) {
            return;
        }
        try {
            sequence.sink().checkpoint();
            prefillPiece(sequence);
        } catch (RuntimeException | OutOfMemoryError e) {
            slots.abandon(sequence);
            prefilling = null;
            fail(sequence.sink(), requestId(sequence), e);
            return;
        }
        if (sequence.cached() == sequence.prefillLength()) {
            slots.join(sequence);
            prefilling = null;
            if (sequence.caughtUp()) {
                sequence.answerBegins(System.nanoTime());
                choose(sequence, logits[0]);
            }
        }
    }

    private void beginPrefill(Sequence sequence) {
        long now = System.nanoTime();
        int reused;
        try {
            reused = slots.reserve(sequence);
        } catch (RuntimeException | OutOfMemoryError e) {
            prefilling = null;
            fail(sequence.sink(), requestId(sequence), e);
            return;
        }
        sequence.beginPrefill(reused, now);
        metrics.reusedTokens.increment(reused);
    }

    private void prefillPiece(Sequence sequence) {
        int from = sequence.cached();
        int left = sequence.prefillLength() - from;
        int length = sequence.reusable() ? Math.min(config.prefillChunk(), left) : left;
        float[] rows = embeddings(length);
        long[][] positions = new long[model.positionChannels()][length];
        for (int i = 0; i < length; i++) {
            putEmbedding(sequence, from + i, rows, i);
            putPosition(sequence, from + i, positions, i);
        }
        boolean chooses = from + length == sequence.prompt().length() + sequence.answered();
        long begin = System.nanoTime();
        model.prefill(slots.prefilling(), from, rows, length, positions, chooses ? logits[0] : null);
        metrics.prefillStep.record(System.nanoTime() - begin, TimeUnit.NANOSECONDS);
        metrics.prefillTokens.increment(length);
        sequence.advance(length);
    }

    private void putEmbedding(Sequence sequence, int position, float[] target, int row) {
        PreparedPrompt prompt = sequence.prompt();
        int hidden = model.hidden();
        if (position >= prompt.length()) {
            model.embed(sequence.answerToken(position), target, row * hidden);
        } else if (prompt.picture()[position] < 0) {
            model.embed(prompt.row()[position], target, row * hidden);
        } else {
            Tensor picture =
                    sequence.ready().pictures().get(prompt.picture()[position]).embeddings();
            picture.data().asFloatBuffer().get(prompt.row()[position] * hidden, target, row * hidden, hidden);
        }
    }

    private static void putPosition(Sequence sequence, int position, long[][] target, int column) {
        PreparedPrompt prompt = sequence.prompt();
        for (int channel = 0; channel < target.length; channel++) {
            target[channel][column] = position < prompt.length()
                    ? prompt.positions()[channel][position]
                    : sequence.answerPosition(position);
        }
    }

    // ---- decoding

    private void decode() {
        for (Sequence row : slots.rows()) {
            try {
                row.sink().checkpoint();
            } catch (RuntimeException e) {
                slots.release(row);
                fail(row.sink(), requestId(row), e);
            }
        }
        List<Sequence> rows = slots.rows();
        if (rows.isEmpty()) {
            return;
        }
        try {
            step(rows);
        } catch (RuntimeException | OutOfMemoryError e) {
            // one of them is to blame: alone, each either goes on or fails by itself
            for (Sequence row : rows) {
                stepAlone(row);
            }
        }
    }

    private void stepAlone(Sequence row) {
        try {
            step(List.of(row));
        } catch (RuntimeException | OutOfMemoryError e) {
            slots.release(row);
            fail(row.sink(), requestId(row), e);
        }
    }

    /** One token for each of these neighbours. Throws what the model throws, before any row has changed. */
    private void step(List<Sequence> rows) {
        int count = rows.size();
        float[] inputs = embeddings(count);
        long[][] positions = new long[model.positionChannels()][count];
        int[] totals = new int[count];
        for (int i = 0; i < count; i++) {
            Sequence row = rows.get(i);
            putEmbedding(row, row.cached(), inputs, i);
            putPosition(row, row.cached(), positions, i);
            totals[i] = row.cached() + 1;
        }
        long begin = System.nanoTime();
        model.decode(slots.slotOf(rows.getFirst()), count, inputs, positions, totals, logits);
        metrics.decodeStep.record(System.nanoTime() - begin, TimeUnit.NANOSECONDS);
        metrics.batch.record(count);
        // all before any is chosen for: a row that ends moves another, with all that is in its cache
        for (Sequence row : rows) {
            row.advance(1);
        }
        for (int i = 0; i < count; i++) {
            if (rows.get(i).caughtUp()) {
                choose(rows.get(i), logits[i]);
            }
        }
    }

    /** Chooses a row's next token from its logits [V], and ends the row if that was the last. */
    private void choose(Sequence sequence, float[] row) {
        try {
            SamplingState sampling = sequence.sampling();
            int index = sequence.answered();
            int tokenId = sampler.next(sampling, row);
            AnswerEvent.TokenLogprob chosen = null;
            List<AnswerEvent.TokenLogprob> top = List.of();
            Integer topCount = sampling.parameters().topLogprobs();
            if (topCount != null) {
                Sampler.LogProbabilities logprobs = new Sampler.LogProbabilities(row);
                chosen = logprob(tokenId, logprobs.of(tokenId));
                top = logprobs.top(topCount).stream()
                        .map(each -> logprob(each.tokenId(), each.logprob()))
                        .toList();
            }
            String text = sequence.accept(tokenId);
            metrics.answerTokens.increment();
            sequence.sink().token(index, tokenId, text, chosen, top);
        } catch (RuntimeException | OutOfMemoryError e) {
            slots.release(sequence);
            fail(sequence.sink(), requestId(sequence), e);
            return;
        }
        if (sequence.end() != null) {
            slots.release(sequence);
            finish(sequence);
        }
    }

    private AnswerEvent.TokenLogprob logprob(int tokenId, double logprob) {
        Tokenizer tokenizer = prompts.tokenizer();
        return new AnswerEvent.TokenLogprob(tokenId, tokenizer.bytes(tokenId), logprob);
    }

    // ---- ending

    private void finish(Sequence sequence) {
        AnswerEvent.FinishReason reason = sequence.end();
        if (reason == null) {
            throw new IllegalStateException("the answer is not complete");
        }
        StageTimes times = sequence.times(System.nanoTime());
        String text = sequence.text().toString();
        List<Region> regions;
        try {
            regions = prompts.regions(text, sequence.answerTokens(), sequence.layouts());
        } catch (RuntimeException e) {
            fail(sequence.sink(), requestId(sequence), e);
            return;
        }
        outstanding.decrementAndGet();
        tell(
                requestId(sequence),
                () -> sequence.sink()
                        .finished(reason, text, sequence.usage(), times, sequence.layouts(), regions, notes(sequence)));
    }

    /** What the caller is told of settings that had not the effect he may expect. */
    private List<String> notes(Sequence sequence) {
        List<String> notes = new ArrayList<>(sequence.sampling().parameters().notes());
        Integer asked = sequence.ready().job().sampling().maxTokens();
        int room = model.contextLength() - sequence.prompt().length();
        if (asked != null && asked > room) {
            notes.add("max_tokens is " + asked + "; beside a prompt of "
                    + sequence.prompt().length()
                    + " tokens the model's context of " + model.contextLength() + " leaves " + room
                    + ", which was the limit");
        }
        if (sequence.end() == AnswerEvent.FinishReason.LENGTH && asked == null && sequence.answered() < room) {
            notes.add("the answer ended at " + sequence.answered()
                    + " tokens, a bound of the checkpoint's generation defaults; send max_tokens for a longer one");
        }
        return notes;
    }

    private void fail(AnswerSink sink, String requestId, Throwable cause) {
        outstanding.decrementAndGet();
        VlmException error = toVlm(requestId, cause);
        tell(requestId, () -> sink.failed(error));
    }

    /** A road that cannot take an ending has nobody left to tell, and must not take the other requests along. */
    private void tell(String requestId, Runnable ending) {
        try {
            ending.run();
        } catch (RuntimeException e) {
            metrics.failures.increment();
            try (MDC.MDCCloseable ignored = MDC.putCloseable("answer_id", requestId)) {
                log.error("the road did not take the end of request {}", requestId, e);
            }
        }
    }

    private VlmException toVlm(String requestId, Throwable cause) {
        if (cause instanceof VlmException known) {
            return known;
        }
        metrics.failures.increment();
        if (cause instanceof OutOfMemoryError) {
            return new VlmException(
                    ErrorCode.OUT_OF_MEMORY,
                    "the decoder has no memory left for this request; try again later or with smaller pictures",
                    cause);
        }
        // the caller is told no more than this, so the log has to keep the trace
        try (MDC.MDCCloseable ignored = MDC.putCloseable("answer_id", requestId)) {
            log.error("request {} failed in the decoder of {}", requestId, ref.model(), cause);
        }
        return new VlmException(
                ErrorCode.INTERNAL,
                "the decoder failed on this request (" + cause.getClass().getSimpleName() + ")",
                cause);
    }

    // ---- buffers

    /** Room for so many rows, at least. */
    private float[] embeddings(int rows) {
        int floats = Math.multiplyExact(rows, model.hidden());
        if (embeddings.length < floats) {
            embeddings = new float[floats];
        }
        return embeddings;
    }
}
