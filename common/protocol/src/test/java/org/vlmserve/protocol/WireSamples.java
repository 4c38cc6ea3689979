package org.vlmserve.protocol;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/** At least one record of every type, with nulls and without, with text beyond ASCII. */
public final class WireSamples {

    private WireSamples() {}

    static final ModelRef MODEL = new ModelRef("line-reader_2.b", "0123456789ab");
    static final PictureKey KEY =
            PictureKey.of("acme", MODEL, PixelLimits.NONE, PictureFiles.still(new byte[] {1, 2, 3}));
    static final Envelope ENVELOPE = new Envelope(
            "req-äöü-1",
            MODEL,
            "acme",
            7,
            Instant.parse("2026-01-02T03:04:05.678901234Z"),
            Instant.parse("1969-12-31T23:59:59.5Z"),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    static final PictureLayout LAYOUT = new PictureLayout(
            new PictureSource(Medium.VIDEO, 4, 1000, 700, 300),
            980,
            672,
            List.of(new PictureLayout.Grid(1, 48, 70), new PictureLayout.Grid(1, 2, 2)),
            3364,
            841,
            841);
    static final StageTimes TIMES = new StageTimes(
            Duration.ofMillis(1),
            Duration.ofNanos(-5),
            Duration.ofSeconds(3),
            Duration.ZERO,
            Duration.ofHours(1),
            Duration.ofNanos(123456789));
    static final AnswerEvent.TokenLogprob LOGPROB =
            new AnswerEvent.TokenLogprob(151643, "é".getBytes(StandardCharsets.UTF_8), -0.25);

    public static List<WireMessage> all() {
        return List.of(
                new ImageJob(
                        ENVELOPE,
                        KEY,
                        new PixelLimits(100L, null),
                        PictureFiles.still(new byte[] {9, 8, 7}).rendered(Rendering.REFERENCE)),
                new ImageJob(
                        ENVELOPE,
                        KEY,
                        new PixelLimits(null, 1L << 40),
                        new PictureFiles(Medium.VIDEO, List.of(new byte[0], new byte[] {1, 2}))),
                new ImageJob(
                        ENVELOPE,
                        KEY,
                        PixelLimits.NONE,
                        new PictureFiles(Medium.VIDEO, List.of(new byte[] {7}), new FrameSampling(0.5, null))),
                new PlanJob(
                        ENVELOPE,
                        1,
                        PixelLimits.NONE,
                        new PictureFiles(Medium.VIDEO, List.of(new byte[] {7}), new FrameSampling(null, 8))),
                new TileJob(
                        ENVELOPE,
                        KEY,
                        3,
                        1728,
                        576,
                        2880,
                        new PictureLayout.Grid(1, 24, 24),
                        new Tensor(DType.U8, new int[] {2, 1, 2, 3}, ByteBuffer.wrap(new byte[12]))),
                new PlanJob(ENVELOPE, 0, PixelLimits.NONE, PictureFiles.still(new byte[] {5})),
                new PlanJob(ENVELOPE, 2, new PixelLimits(1L, 2L), new PictureSource(Medium.VIDEO, 16, 1280, 720)),
                new LayoutReady(ENVELOPE, KEY, LAYOUT),
                new FeatureSlice(ENVELOPE, KEY, 4, 12, Tensor.ofFloats(new float[] {1, -2, 3, 4}, 2, 2), TIMES),
                new EmbeddingSlice(ENVELOPE, KEY, 0, 1, Tensor.ofFloats(new float[] {0.5f, Float.NaN}, 1, 2), TIMES),
                new EmbeddingSlice(ENVELOPE, KEY, 0, 0, Tensor.ofFloats(new float[0], 1000, 0), StageTimes.ZERO),
                new PictureFailed(ENVELOPE, KEY, ErrorCode.PICTURE_UNREADABLE, "picture of 3 bytes: expected a JPEG"),
                new PromptJob(
                        ENVELOPE,
                        List.of(
                                new ChatTurn("system", List.of(new ChatTurn.Text("Reply in 日本語 😀")), true),
                                new ChatTurn(
                                        "user",
                                        List.of(new ChatTurn.Picture(0), new ChatTurn.Video(1), new ChatTurn.Text("")),
                                        false)),
                        "{\"add_vision_id\":true}",
                        List.of(new PromptJob.PictureRef(KEY, true), new PromptJob.PictureRef(KEY, false)),
                        new Sampling(
                                100,
                                1,
                                0.7,
                                0.9,
                                40,
                                0.05,
                                1.1,
                                -0.5,
                                0.25,
                                Long.MIN_VALUE,
                                List.of("\n", "。"),
                                5,
                                Map.of(1, -100.0, 99999, 3.5),
                                true)),
                new PromptJob(ENVELOPE, List.of(), PromptJob.NO_ARGUMENTS, List.of(), Sampling.DEFAULTS),
                new AnswerEvent.Started("r", 1, "decoder-1"),
                new AnswerEvent.Token("r", 2, "decoder-1", 17, 151643, "é", LOGPROB, List.of(LOGPROB, LOGPROB)),
                new AnswerEvent.Token("r", 2, "decoder-1", 0, 0, "", null, List.of()),
                new AnswerEvent.Finished(
                        "r",
                        1,
                        "decoder-1",
                        AnswerEvent.FinishReason.STOP,
                        "whole text",
                        new AnswerEvent.Usage(900, 841, 12, 34),
                        TIMES,
                        List.of(LAYOUT),
                        List.of(new Region("Katze", 0, 12.5, 0, 640, 1e-3)),
                        List.of("top_k is 1", "é")),
                new AnswerEvent.Finished(
                        "r",
                        1,
                        "decoder-1",
                        AnswerEvent.FinishReason.LENGTH,
                        "",
                        new AnswerEvent.Usage(0, 0, 0, 0),
                        StageTimes.ZERO,
                        List.of(),
                        List.of(),
                        List.of()),
                new AnswerEvent.Failed("r", 3, "decoder-1", ErrorCode.POISONED, "three decoders died"),
                new AnswerEvent.Missing("r", 0, "decoder-1", List.of(KEY)),
                new AnswerEvent.Released("r", 2, "decoder-1"),
                new AnswerEvent.Planned("r", 0, "vision-encoder-1", 3, LAYOUT),
                status(Stage.VISION_ENCODER),
                status(Stage.PROJECTOR),
                status(Stage.DECODER),
                new CancelRequest("r"),
                new DeadLetter(
                        "vlm.line-reader.0123456789ab.images",
                        3,
                        1L << 40,
                        ErrorCode.RECORD_UNREADABLE,
                        "ImageJob.picture: truncated",
                        "encoder-1",
                        Instant.EPOCH,
                        new byte[] {1}));
    }

    private static InstanceStatus status(Stage stage) {
        return new InstanceStatus(
                stage.wireName() + "-1",
                stage,
                stage != Stage.PROJECTOR,
                Instant.EPOCH,
                List.of(new InstanceStatus.ServedModel(
                        MODEL, List.of(0, 5, 7), 3, 2, 8, 32768, Instant.parse("2026-11-01T00:00:00Z"))));
    }

    /** The concrete record types that may be written to a topic. */
    static List<Class<?>> types() {
        List<Class<?>> types = new ArrayList<>();
        collect(WireMessage.class, types);
        return types;
    }

    private static void collect(Class<?> type, List<Class<?>> types) {
        Class<?>[] permitted = type.getPermittedSubclasses();
        if (permitted == null) {
            types.add(type);
        } else {
            Arrays.stream(permitted).forEach(sub -> collect(sub, types));
        }
    }
}
