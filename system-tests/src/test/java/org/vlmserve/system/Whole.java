package org.vlmserve.system;

import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.vlmserve.decoder.DecoderConfig;
import org.vlmserve.decoder.DecoderStage;
import org.vlmserve.decoder.OnnxTokenModel;
import org.vlmserve.decoder.TokenModel;
import org.vlmserve.encoder.EncoderOutput;
import org.vlmserve.encoder.FrameReader;
import org.vlmserve.encoder.PixelBounds;
import org.vlmserve.encoder.VisionEncoderStage;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.preprocess.Tile;
import org.vlmserve.families.prompt.ControlTokens;
import org.vlmserve.media.picture.PictureDecoder;
import org.vlmserve.media.picture.PictureLimits;
import org.vlmserve.media.video.VideoDecoder;
import org.vlmserve.media.video.VideoLimits;
import org.vlmserve.messaging.AskRequest.PictureInput;
import org.vlmserve.messaging.PromptHandler.AnswerSink;
import org.vlmserve.messaging.PromptHandler.ReadyPicture;
import org.vlmserve.messaging.PromptHandler.ReadyPrompt;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.OnnxModel;
import org.vlmserve.projector.ProjectorStage;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.EmbeddingSlice;
import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.FeatureSlice;
import org.vlmserve.protocol.ImageJob;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureKey;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.Region;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * The stages of one bundle joined in one process, without a broker: the yardstick of the suite that is split. It must give
 * the same tokens, and its time is what the split is measured against. Thread-safe; several threads are answered in one
 * batch.
 */
public final class Whole implements AutoCloseable {

    private static final String TENANT = "whole";
    private static final String INSTANCE = "whole";
    private static final long MAX_PIXELS = 100_000_000;

    private final ModelRef model;
    private final Bundle bundle;
    private final OnnxModel encoderGraph;
    private final OnnxModel projectorGraph;
    private final VisionEncoderStage encoder;
    private final ProjectorStage projector;
    private final DecoderStage decoder;

    public Whole(Bundle bundle, DecoderConfig config, EngineOptions engine) {
        this(bundle, config, engine, model -> model);
    }

    /** @param decoding what stands between the decoder's scheduler and its model */
    Whole(Bundle bundle, DecoderConfig config, EngineOptions engine, UnaryOperator<TokenModel> decoding) {
        this.bundle = bundle;
        model = new ModelRef("whole", bundle.manifest().revision());
        ModelFamily family = FamilyRegistry.load().familyOf(bundle);
        MeterRegistry meters = new SimpleMeterRegistry();
        encoderGraph = OnnxModel.load(bundle.encoderGraph(), engine);
        projectorGraph = OnnxModel.load(bundle.projectorGraph(), engine);
        encoder = new VisionEncoderStage(
                model,
                new FrameReader(
                        (file, rendering, checkpoint) ->
                                PictureDecoder.still(file, new PictureLimits(MAX_PIXELS, Integer.MAX_VALUE), rendering),
                        VideoDecoder.here(new VideoLimits(18_000, MAX_PIXELS, MAX_PIXELS)),
                        MAX_PIXELS,
                        32,
                        2),
                family.preprocessor(bundle),
                new PixelBounds(null, true),
                encoderGraph::run,
                bundle.manifest(),
                meters);
        projector = new ProjectorStage(model, projectorGraph::run, bundle.manifest(), meters);
        decoder = new DecoderStage(
                model,
                decoding.apply(OnnxTokenModel.load(bundle, config, engine)),
                family.promptBuilder(bundle, ControlTokens.TOKENS),
                bundle.manifest().generation(),
                config,
                meters);
    }

    /** The tokens of the answer and its end: {@code Finished} or {@code Failed}. Waits for it. */
    public List<AnswerEvent> answer(List<ChatTurn> turns, List<PictureInput> pictures, Sampling sampling) {
        return answer(TENANT, turns, PromptJob.NO_ARGUMENTS, pictures, sampling);
    }

    /**
     * @param tenant whose prefixes may be reused
     * @param templateArguments a JSON object for the chat template
     */
    public List<AnswerEvent> answer(
            String tenant,
            List<ChatTurn> turns,
            String templateArguments,
            List<PictureInput> pictures,
            Sampling sampling) {
        Envelope envelope = new Envelope(
                UUID.randomUUID().toString(),
                model,
                tenant,
                0,
                Instant.now(),
                Instant.now().plus(Duration.ofHours(1)),
                "");
        Collector answer = new Collector(envelope.requestId());
        try {
            List<ReadyPicture> ready = new ArrayList<>();
            StageTimes times = StageTimes.ZERO;
            for (PictureInput picture : pictures) {
                EmbeddedPicture embedded = embed(envelope, picture);
                ready.add(embedded.ready());
                times = times.plus(embedded.times());
            }
            List<PromptJob.PictureRef> refs = ready.stream()
                    .map(picture -> new PromptJob.PictureRef(picture.key(), true))
                    .toList();
            PromptJob job = new PromptJob(envelope, turns, templateArguments, refs, sampling);
            decoder.start(new ReadyPrompt(job, ready, 1, List.of(), times), answer);
        } catch (VlmException e) {
            answer.failed(e);
        }
        return answer.events.join();
    }

    private record EmbeddedPicture(ReadyPicture ready, StageTimes times) {}

    /** A picture through encoder and projector, slice by slice as on the road. */
    private EmbeddedPicture embed(Envelope envelope, PictureInput picture) {
        PictureKey key = PictureKey.of(envelope.tenant(), model, picture.limits(), picture.content());
        Join join = new Join(envelope, key);
        encoder.encode(new ImageJob(envelope, key, picture.limits(), picture.content()), Duration.ZERO, join);
        return join.joined();
    }

    private final class Join implements EncoderOutput {

        private final Envelope envelope;
        private final PictureKey key;
        private final int hidden = bundle.manifest().decoder().hidden();
        private @Nullable PictureLayout layout;
        private @Nullable ByteBuffer rows;
        private StageTimes times = StageTimes.ZERO;

        Join(Envelope envelope, PictureKey key) {
            this.envelope = envelope;
            this.key = key;
        }

        @Override
        public void checkpoint() {}

        @Override
        public void layout(PictureLayout layout) {
            this.layout = layout;
            rows = ByteBuffer.allocateDirect(layout.embeddingRows() * hidden * Float.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN);
        }

        @Override
        public boolean putBack(PictureLayout layout, int index, int firstRow, int rows, Tile tile) {
            return false;
        }

        @Override
        public void features(int firstRow, int totalRows, Tensor features, StageTimes spent) {
            EmbeddingSlice slice = projector.project(
                    new FeatureSlice(envelope, key, firstRow, totalRows, features, spent), Duration.ZERO);
            ByteBuffer all = java.util.Objects.requireNonNull(rows);
            ByteBuffer part = slice.rows().data();
            all.put(slice.firstRow() * hidden * Float.BYTES, part, 0, part.remaining());
            times = times.plus(slice.times());
        }

        EmbeddedPicture joined() {
            PictureLayout known = java.util.Objects.requireNonNull(layout);
            Tensor embeddings = new Tensor(
                    DType.F32, new int[] {known.embeddingRows(), hidden}, java.util.Objects.requireNonNull(rows));
            return new EmbeddedPicture(new ReadyPicture(key, known, embeddings), times);
        }
    }

    private static final class Collector implements AnswerSink {

        private final String requestId;
        private final List<AnswerEvent> tokens = new ArrayList<>();
        private final CompletableFuture<List<AnswerEvent>> events = new CompletableFuture<>();

        Collector(String requestId) {
            this.requestId = requestId;
        }

        @Override
        public void checkpoint() {}

        @Override
        public void token(
                int index,
                int tokenId,
                String text,
                AnswerEvent.@Nullable TokenLogprob logprob,
                List<AnswerEvent.TokenLogprob> top) {
            tokens.add(new AnswerEvent.Token(requestId, 1, INSTANCE, index, tokenId, text, logprob, top));
        }

        @Override
        public void finished(
                AnswerEvent.FinishReason reason,
                String text,
                AnswerEvent.Usage usage,
                StageTimes times,
                List<PictureLayout> pictures,
                List<Region> regions,
                List<String> notes) {
            end(new AnswerEvent.Finished(requestId, 1, INSTANCE, reason, text, usage, times, pictures, regions, notes));
        }

        @Override
        public void failed(VlmException error) {
            end(new AnswerEvent.Failed(requestId, 1, INSTANCE, error.code(), String.valueOf(error.getMessage())));
        }

        private void end(AnswerEvent last) {
            tokens.add(last);
            if (!events.complete(List.copyOf(tokens))) {
                throw new VlmException(ErrorCode.INTERNAL, "request " + requestId + " ended twice");
            }
        }
    }

    @Override
    public void close() {
        decoder.close();
        encoderGraph.close();
        projectorGraph.close();
    }
}
