package org.vlmserve.protocol;

import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import org.vlmserve.protocol.AnswerEvent.FinishReason;
import org.vlmserve.protocol.AnswerEvent.TokenLogprob;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * The byte format of every record. {@code docs/protocol.md} is its description in prose.
 *
 * <p>A record is {@code 'V' 'M'}, a version byte, a type byte, and the fields of the type in a fixed order without tags.
 * Integers are variable-length (zigzag where they may be negative), text is UTF-8 behind its length, a field that may be
 * null stands behind a flag, lists behind their count, and a tensor is its element type, its shape and its raw
 * little-endian bytes. A decoded tensor is a view of the bytes that were decoded.
 *
 * <p>The version counts for all types together. A reader refuses a version that it does not know: services of two versions
 * do not meet, because a bundle's revision names the topics and is drained before its stages are replaced.
 */
public final class WireCodec {

    public static final byte MAGIC_0 = 'V';
    public static final byte MAGIC_1 = 'M';
    public static final int VERSION = 3;

    private WireCodec() {}

    public static byte[] encode(WireMessage message) {
        WireWriter out = new WireWriter();
        out.u8(MAGIC_0);
        out.u8(MAGIC_1);
        out.u8(VERSION);
        out.u8(typeId(message));
        switch (message) {
            case ImageJob m -> {
                envelope(out, m.envelope());
                out.key(m.picture());
                limits(out, m.limits());
                files(out, m.content());
            }
            case TileJob m -> {
                envelope(out, m.envelope());
                out.key(m.picture());
                out.signed(m.tile());
                out.signed(m.firstRow());
                out.signed(m.rows());
                out.signed(m.totalRows());
                grid(out, m.grid());
                out.tensor(m.pixels());
            }
            case PlanJob m -> {
                envelope(out, m.envelope());
                out.signed(m.index());
                limits(out, m.limits());
                subject(out, m.subject());
            }
            case LayoutReady m -> {
                envelope(out, m.envelope());
                out.key(m.picture());
                layout(out, m.layout());
            }
            case FeatureSlice m -> {
                envelope(out, m.envelope());
                out.key(m.picture());
                out.signed(m.firstRow());
                out.signed(m.totalRows());
                out.tensor(m.rows());
                times(out, m.times());
            }
            case EmbeddingSlice m -> {
                envelope(out, m.envelope());
                out.key(m.picture());
                out.signed(m.firstRow());
                out.signed(m.totalRows());
                out.tensor(m.rows());
                times(out, m.times());
            }
            case PictureFailed m -> {
                envelope(out, m.envelope());
                out.key(m.picture());
                out.unsigned(m.code().number());
                out.string(m.message());
            }
            case PromptJob m -> {
                envelope(out, m.envelope());
                out.list(m.turns(), turn -> turn(out, turn));
                out.string(m.templateArguments());
                out.list(m.pictures(), picture -> {
                    out.key(picture.key());
                    out.bool(picture.sent());
                });
                sampling(out, m.sampling());
            }
            case AnswerEvent.Started m -> claim(out, m);
            case AnswerEvent.Token m -> {
                claim(out, m);
                out.signed(m.index());
                out.signed(m.tokenId());
                out.string(m.text());
                out.nullable(m.logprob(), logprob -> logprob(out, logprob));
                out.list(m.top(), logprob -> logprob(out, logprob));
            }
            case AnswerEvent.Finished m -> {
                claim(out, m);
                out.u8(
                        switch (m.reason()) {
                            case STOP -> 1;
                            case LENGTH -> 2;
                        });
                out.string(m.text());
                out.signed(m.usage().promptTokens());
                out.signed(m.usage().pictureTokens());
                out.signed(m.usage().cachedTokens());
                out.signed(m.usage().completionTokens());
                times(out, m.times());
                out.list(m.pictures(), layout -> layout(out, layout));
                out.list(m.regions(), region -> region(out, region));
                out.list(m.notes(), out::string);
            }
            case AnswerEvent.Failed m -> {
                claim(out, m);
                out.unsigned(m.code().number());
                out.string(m.message());
            }
            case AnswerEvent.Missing m -> {
                claim(out, m);
                out.list(m.pictures(), out::key);
            }
            case AnswerEvent.Released m -> claim(out, m);
            case AnswerEvent.Planned m -> {
                claim(out, m);
                out.signed(m.index());
                layout(out, m.layout());
            }
            case InstanceStatus m -> {
                out.string(m.instance());
                out.u8(
                        switch (m.stage()) {
                            case VISION_ENCODER -> 1;
                            case PROJECTOR -> 2;
                            case DECODER -> 3;
                        });
                out.bool(m.ready());
                out.instant(m.at());
                out.list(m.models(), served -> {
                    model(out, served.model());
                    out.list(served.routes(), out::int32);
                    out.signed(served.waiting());
                    out.signed(served.running());
                    out.signed(served.capacity());
                    out.signed(served.contextLength());
                    out.instant(served.importedAt());
                });
            }
            case CancelRequest m -> out.string(m.requestId());
            case DeadLetter m -> {
                out.string(m.topic());
                out.signed(m.partition());
                out.signed(m.offset());
                out.unsigned(m.code().number());
                out.string(m.detail());
                out.string(m.instance());
                out.instant(m.at());
                out.bytes(m.record());
            }
        }
        return out.toBytes();
    }

    /** The byte that stands for a type. Never reused. */
    public static int typeId(WireMessage message) {
        return switch (message) {
            case ImageJob m -> 1;
            case LayoutReady m -> 2;
            case FeatureSlice m -> 3;
            case EmbeddingSlice m -> 4;
            case PictureFailed m -> 5;
            case PromptJob m -> 6;
            case AnswerEvent.Started m -> 7;
            case AnswerEvent.Token m -> 8;
            case AnswerEvent.Finished m -> 9;
            case AnswerEvent.Failed m -> 10;
            case AnswerEvent.Missing m -> 11;
            case InstanceStatus m -> 12;
            case CancelRequest m -> 13;
            case DeadLetter m -> 14;
            case TileJob m -> 15;
            case PlanJob m -> 16;
            case AnswerEvent.Planned m -> 17;
            case AnswerEvent.Released m -> 18;
        };
    }

    public static WireMessage decode(byte[] bytes) {
        return decode(ByteBuffer.wrap(bytes));
    }

    /**
     * @param bytes one record, from position to limit; a decoded tensor is a view of them
     * @throws VlmException {@code PROTOCOL_VERSION} for another version, {@code RECORD_UNREADABLE} naming the field for
     *     anything else that is wrong
     */
    public static WireMessage decode(ByteBuffer bytes) {
        WireReader in = new WireReader(bytes);
        if (in.u8("magic") != MAGIC_0 || in.u8("magic") != MAGIC_1) {
            throw in.corrupt("magic", "expected the bytes 'VM'; this record was not written by this suite");
        }
        int version = in.u8("version");
        if (version != VERSION) {
            throw new VlmException(
                    ErrorCode.PROTOCOL_VERSION,
                    "record has protocol version " + version + ", this service reads version " + VERSION
                            + "; drain the older services before starting newer ones");
        }
        int type = in.u8("type");
        WireMessage message;
        try {
            message = fields(in, type);
        } catch (IllegalArgumentException e) {
            // A record's own constructor refused a value that is well-formed on the wire.
            throw in.corrupt("value", String.valueOf(e.getMessage()));
        }
        in.end();
        return message;
    }

    private static WireMessage fields(WireReader in, int type) {
        switch (type) {
            case 1 -> {
                in.enter("ImageJob");
                return new ImageJob(envelope(in), in.key("picture"), limits(in), files(in));
            }
            case 2 -> {
                in.enter("LayoutReady");
                return new LayoutReady(envelope(in), in.key("picture"), layout(in));
            }
            case 3 -> {
                in.enter("FeatureSlice");
                return new FeatureSlice(
                        envelope(in),
                        in.key("picture"),
                        in.int32("firstRow"),
                        in.int32("totalRows"),
                        in.tensor("rows"),
                        times(in));
            }
            case 4 -> {
                in.enter("EmbeddingSlice");
                return new EmbeddingSlice(
                        envelope(in),
                        in.key("picture"),
                        in.int32("firstRow"),
                        in.int32("totalRows"),
                        in.tensor("rows"),
                        times(in));
            }
            case 5 -> {
                in.enter("PictureFailed");
                return new PictureFailed(envelope(in), in.key("picture"), code(in), in.string("message"));
            }
            case 6 -> {
                in.enter("PromptJob");
                return new PromptJob(
                        envelope(in),
                        in.list("turns", () -> turn(in)),
                        in.string("templateArguments"),
                        in.list(
                                "pictures",
                                () -> new PromptJob.PictureRef(in.key("pictures.key"), in.bool("pictures.sent"))),
                        sampling(in));
            }
            case 7 -> {
                in.enter("Started");
                return new AnswerEvent.Started(in.string("requestId"), in.int32("attempt"), in.string("instance"));
            }
            case 8 -> {
                in.enter("Token");
                return new AnswerEvent.Token(
                        in.string("requestId"),
                        in.int32("attempt"),
                        in.string("instance"),
                        in.int32("index"),
                        in.int32("tokenId"),
                        in.string("text"),
                        in.nullable("logprob", () -> logprob(in)),
                        in.list("top", () -> logprob(in)));
            }
            case 9 -> {
                in.enter("Finished");
                return new AnswerEvent.Finished(
                        in.string("requestId"),
                        in.int32("attempt"),
                        in.string("instance"),
                        reason(in),
                        in.string("text"),
                        new AnswerEvent.Usage(
                                in.int32("usage.promptTokens"),
                                in.int32("usage.pictureTokens"),
                                in.int32("usage.cachedTokens"),
                                in.int32("usage.completionTokens")),
                        times(in),
                        in.list("pictures", () -> layout(in)),
                        in.list("regions", () -> region(in)),
                        in.list("notes", () -> in.string("note")));
            }
            case 10 -> {
                in.enter("Failed");
                return new AnswerEvent.Failed(
                        in.string("requestId"),
                        in.int32("attempt"),
                        in.string("instance"),
                        code(in),
                        in.string("message"));
            }
            case 11 -> {
                in.enter("Missing");
                return new AnswerEvent.Missing(
                        in.string("requestId"),
                        in.int32("attempt"),
                        in.string("instance"),
                        in.list("pictures", () -> in.key("pictures")));
            }
            case 12 -> {
                in.enter("InstanceStatus");
                return new InstanceStatus(
                        in.string("instance"),
                        stage(in),
                        in.bool("ready"),
                        in.instant("at"),
                        in.list(
                                "models",
                                () -> new InstanceStatus.ServedModel(
                                        model(in, "models.model"),
                                        in.list("models.routes", () -> in.int32("models.routes")),
                                        in.int32("models.waiting"),
                                        in.int32("models.running"),
                                        in.int32("models.capacity"),
                                        in.int32("models.contextLength"),
                                        in.instant("models.importedAt"))));
            }
            case 13 -> {
                in.enter("CancelRequest");
                return new CancelRequest(in.string("requestId"));
            }
            case 14 -> {
                in.enter("DeadLetter");
                return new DeadLetter(
                        in.string("topic"),
                        in.int32("partition"),
                        in.signed("offset"),
                        code(in),
                        in.string("detail"),
                        in.string("instance"),
                        in.instant("at"),
                        in.bytes("record"));
            }
            case 15 -> {
                in.enter("TileJob");
                return new TileJob(
                        envelope(in),
                        in.key("picture"),
                        in.int32("tile"),
                        in.int32("firstRow"),
                        in.int32("rows"),
                        in.int32("totalRows"),
                        grid(in, "grid"),
                        in.tensor("pixels"));
            }
            case 16 -> {
                in.enter("PlanJob");
                return new PlanJob(envelope(in), in.int32("index"), limits(in), subject(in));
            }
            case 17 -> {
                in.enter("Planned");
                return new AnswerEvent.Planned(
                        in.string("requestId"),
                        in.int32("attempt"),
                        in.string("instance"),
                        in.int32("index"),
                        layout(in));
            }
            case 18 -> {
                in.enter("Released");
                return new AnswerEvent.Released(in.string("requestId"), in.int32("attempt"), in.string("instance"));
            }
            default -> throw in.corrupt("type", "no record type has number " + type + "; expected 1 to 18");
        }
    }

    private static void envelope(WireWriter out, Envelope envelope) {
        out.string(envelope.requestId());
        model(out, envelope.model());
        out.string(envelope.tenant());
        out.signed(envelope.route());
        out.instant(envelope.createdAt());
        out.instant(envelope.deadline());
        out.string(envelope.traceParent());
    }

    private static Envelope envelope(WireReader in) {
        return new Envelope(
                in.string("envelope.requestId"),
                model(in, "envelope.model"),
                in.string("envelope.tenant"),
                in.int32("envelope.route"),
                in.instant("envelope.createdAt"),
                in.instant("envelope.deadline"),
                in.string("envelope.traceParent"));
    }

    private static void model(WireWriter out, ModelRef model) {
        out.string(model.model());
        out.string(model.revision());
    }

    private static ModelRef model(WireReader in, String field) {
        return new ModelRef(in.string(field), in.string(field + ".revision"));
    }

    private static void limits(WireWriter out, PixelLimits limits) {
        out.nullable(limits.minPixels(), out::signed);
        out.nullable(limits.maxPixels(), out::signed);
    }

    private static PixelLimits limits(WireReader in) {
        return new PixelLimits(
                in.nullable("limits.minPixels", () -> in.signed("limits.minPixels")),
                in.nullable("limits.maxPixels", () -> in.signed("limits.maxPixels")));
    }

    private static void source(WireWriter out, PictureSource source) {
        medium(out, source.medium());
        out.signed(source.frames());
        out.signed(source.width());
        out.signed(source.height());
    }

    private static PictureSource source(WireReader in) {
        return new PictureSource(
                medium(in), in.int32("source.frames"), in.int32("source.width"), in.int32("source.height"));
    }

    private static void medium(WireWriter out, Medium medium) {
        out.u8(
                switch (medium) {
                    case PICTURE -> 1;
                    case VIDEO -> 2;
                });
    }

    private static Medium medium(WireReader in) {
        int number = in.u8("medium");
        return switch (number) {
            case 1 -> Medium.PICTURE;
            case 2 -> Medium.VIDEO;
            default -> throw in.corrupt("medium", "no medium has number " + number + "; expected 1 or 2");
        };
    }

    private static void layout(WireWriter out, PictureLayout layout) {
        source(out, layout.source());
        out.signed(layout.resizedWidth());
        out.signed(layout.resizedHeight());
        out.list(layout.grids(), grid -> grid(out, grid));
        out.signed(layout.featureRows());
        out.signed(layout.embeddingRows());
        out.signed(layout.tokens());
    }

    private static PictureLayout layout(WireReader in) {
        return new PictureLayout(
                source(in),
                in.int32("layout.resizedWidth"),
                in.int32("layout.resizedHeight"),
                in.list("layout.grids", () -> grid(in, "layout.grids")),
                in.int32("layout.featureRows"),
                in.int32("layout.embeddingRows"),
                in.int32("layout.tokens"));
    }

    private static void grid(WireWriter out, PictureLayout.Grid grid) {
        out.signed(grid.time());
        out.signed(grid.height());
        out.signed(grid.width());
    }

    private static PictureLayout.Grid grid(WireReader in, String field) {
        return new PictureLayout.Grid(
                in.int32(field + ".time"), in.int32(field + ".height"), in.int32(field + ".width"));
    }

    private static void files(WireWriter out, PictureFiles content) {
        medium(out, content.medium());
        out.list(content.files(), out::bytes);
        out.nullable(content.sampling().fps(), out::float64);
        out.nullable(content.sampling().numFrames(), out::int32);
    }

    private static PictureFiles files(WireReader in) {
        return new PictureFiles(
                medium(in), in.list("content.files", () -> in.bytes("content.files")), frameSampling(in));
    }

    private static FrameSampling frameSampling(WireReader in) {
        Double fps = in.nullable("sampling.fps", () -> in.float64("sampling.fps"));
        Integer numFrames = in.nullable("sampling.numFrames", () -> in.int32("sampling.numFrames"));
        if (fps != null && numFrames != null) {
            throw in.corrupt("sampling", "fps and numFrames exclude each other");
        }
        return new FrameSampling(fps, numFrames);
    }

    private static void subject(WireWriter out, PlanJob.Subject subject) {
        switch (subject) {
            case PictureFiles content -> {
                out.u8(1);
                files(out, content);
            }
            case PictureSource source -> {
                out.u8(2);
                source(out, source);
            }
        }
    }

    private static PlanJob.Subject subject(WireReader in) {
        int kind = in.u8("subject");
        return switch (kind) {
            case 1 -> files(in);
            case 2 -> source(in);
            default -> throw in.corrupt("subject", "no subject has number " + kind + "; expected 1 or 2");
        };
    }

    private static void region(WireWriter out, Region region) {
        out.string(region.label());
        out.signed(region.picture());
        out.float64(region.x1());
        out.float64(region.y1());
        out.float64(region.x2());
        out.float64(region.y2());
    }

    private static Region region(WireReader in) {
        return new Region(
                in.string("regions.label"),
                in.int32("regions.picture"),
                in.float64("regions.x1"),
                in.float64("regions.y1"),
                in.float64("regions.x2"),
                in.float64("regions.y2"));
    }

    private static void times(WireWriter out, StageTimes times) {
        out.duration(times.queue());
        out.duration(times.pictureDecode());
        out.duration(times.encode());
        out.duration(times.project());
        out.duration(times.prefill());
        out.duration(times.answer());
    }

    private static StageTimes times(WireReader in) {
        return new StageTimes(
                in.duration("times.queue"),
                in.duration("times.pictureDecode"),
                in.duration("times.encode"),
                in.duration("times.project"),
                in.duration("times.prefill"),
                in.duration("times.answer"));
    }

    private static void turn(WireWriter out, ChatTurn turn) {
        out.string(turn.role());
        out.bool(turn.plain());
        out.list(turn.parts(), part -> {
            switch (part) {
                case ChatTurn.Text text -> {
                    out.u8(1);
                    out.string(text.text());
                }
                case ChatTurn.Picture picture -> {
                    out.u8(2);
                    out.signed(picture.index());
                }
                case ChatTurn.Video video -> {
                    out.u8(3);
                    out.signed(video.index());
                }
            }
        });
    }

    private static ChatTurn turn(WireReader in) {
        String role = in.string("turns.role");
        boolean plain = in.bool("turns.plain");
        return new ChatTurn(
                role,
                in.list("turns.parts", () -> {
                    int kind = in.u8("turns.parts");
                    return switch (kind) {
                        case 1 -> new ChatTurn.Text(in.string("turns.parts.text"));
                        case 2 -> new ChatTurn.Picture(in.int32("turns.parts.index"));
                        case 3 -> new ChatTurn.Video(in.int32("turns.parts.index"));
                        default -> throw in.corrupt("turns.parts", "no part has number " + kind + "; expected 1 to 3");
                    };
                }),
                plain);
    }

    private static void sampling(WireWriter out, Sampling s) {
        out.nullable(s.maxTokens(), out::int32);
        out.nullable(s.minTokens(), out::int32);
        out.nullable(s.temperature(), out::float64);
        out.nullable(s.topP(), out::float64);
        out.nullable(s.topK(), out::int32);
        out.nullable(s.minP(), out::float64);
        out.nullable(s.repetitionPenalty(), out::float64);
        out.nullable(s.presencePenalty(), out::float64);
        out.nullable(s.frequencyPenalty(), out::float64);
        out.nullable(s.seed(), out::signed);
        out.list(s.stop(), out::string);
        out.nullable(s.topLogprobs(), out::int32);
        Map<Integer, Double> bias = new TreeMap<>(s.logitBias());
        out.unsigned(bias.size());
        bias.forEach((token, value) -> {
            out.signed(token);
            out.float64(value);
        });
        out.bool(s.ignoreEos());
    }

    private static Sampling sampling(WireReader in) {
        return new Sampling(
                in.nullable("sampling.maxTokens", () -> in.int32("sampling.maxTokens")),
                in.nullable("sampling.minTokens", () -> in.int32("sampling.minTokens")),
                in.nullable("sampling.temperature", () -> in.float64("sampling.temperature")),
                in.nullable("sampling.topP", () -> in.float64("sampling.topP")),
                in.nullable("sampling.topK", () -> in.int32("sampling.topK")),
                in.nullable("sampling.minP", () -> in.float64("sampling.minP")),
                in.nullable("sampling.repetitionPenalty", () -> in.float64("sampling.repetitionPenalty")),
                in.nullable("sampling.presencePenalty", () -> in.float64("sampling.presencePenalty")),
                in.nullable("sampling.frequencyPenalty", () -> in.float64("sampling.frequencyPenalty")),
                in.nullable("sampling.seed", () -> in.signed("sampling.seed")),
                in.list("sampling.stop", () -> in.string("sampling.stop")),
                in.nullable("sampling.topLogprobs", () -> in.int32("sampling.topLogprobs")),
                logitBias(in),
                in.bool("sampling.ignoreEos"));
    }

    private static Map<Integer, Double> logitBias(WireReader in) {
        Map<Integer, Double> bias = new LinkedHashMap<>();
        in.list("sampling.logitBias", () -> bias.put(in.int32("sampling.logitBias"), in.float64("sampling.logitBias")));
        return bias;
    }

    private static void claim(WireWriter out, AnswerEvent event) {
        out.string(event.requestId());
        out.signed(event.attempt());
        out.string(event.instance());
    }

    private static void logprob(WireWriter out, TokenLogprob logprob) {
        out.signed(logprob.tokenId());
        out.bytes(logprob.bytes());
        out.float64(logprob.logprob());
    }

    private static TokenLogprob logprob(WireReader in) {
        return new TokenLogprob(in.int32("logprob.tokenId"), in.bytes("logprob.bytes"), in.float64("logprob.logprob"));
    }

    private static ErrorCode code(WireReader in) {
        long number = in.unsigned("code");
        return number < 0 || number > Integer.MAX_VALUE ? ErrorCode.INTERNAL : ErrorCode.ofNumber((int) number);
    }

    private static FinishReason reason(WireReader in) {
        int number = in.u8("reason");
        return switch (number) {
            case 1 -> FinishReason.STOP;
            case 2 -> FinishReason.LENGTH;
            default -> throw in.corrupt("reason", "no finish reason has number " + number + "; expected 1 or 2");
        };
    }

    private static Stage stage(WireReader in) {
        int number = in.u8("stage");
        return switch (number) {
            case 1 -> Stage.VISION_ENCODER;
            case 2 -> Stage.PROJECTOR;
            case 3 -> Stage.DECODER;
            default -> throw in.corrupt("stage", "no stage has number " + number + "; expected 1 to 3");
        };
    }
}
