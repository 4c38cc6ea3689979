package org.vlmserve.gateway.chat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.gateway.chat.ApiFields.Place;
import org.vlmserve.gateway.chat.ChatRequest.WantedPicture;
import org.vlmserve.gateway.config.DetailConfig;
import org.vlmserve.gateway.picture.PictureUrl;
import org.vlmserve.protocol.FrameSampling;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;

/**
 * Reads the pictures and videos of one request, in each of the forms that clients write them in: OpenAI's {@code image_url} and {@code input_image}, vLLM's
 * {@code video_url}, transformers' {@code image} and {@code video}, and Anthropic's {@code source}.
 */
final class VisualParts {

    private static final List<String> PICTURES = List.of("image_url", "image", "url", "base64", "data", "source");
    private static final List<String> VIDEOS = List.of("video_url", "video", "url");

    private final CutBody body;
    private final DetailConfig detail;
    private final int most;
    private final List<WantedPicture> wanted = new ArrayList<>();
    private final @Nullable Long minPixels;
    private final @Nullable Long maxPixels;
    private final FrameSampling sampling;
    private final @Nullable Rendering rendering;

    /**
     * @param most how many there may be
     * @param forAll {@code mm_processor_kwargs}, or null
     */
    VisualParts(CutBody body, DetailConfig detail, int most, @Nullable Fields forAll) {
        this.body = body;
        this.detail = detail;
        this.most = most;
        this.minPixels = forAll == null ? null : forAll.longInteger("min_pixels", 1, Long.MAX_VALUE);
        this.maxPixels = forAll == null ? null : forAll.longInteger("max_pixels", 1, Long.MAX_VALUE);
        this.sampling = forAll == null ? FrameSampling.DEFAULT : sampling(forAll, FrameSampling.DEFAULT);
        this.rendering = forAll == null ? null : rendering(forAll, null);
        if (forAll != null) {
            forAll.end();
        }
    }

    /** All that were read, in order. */
    List<WantedPicture> wanted() {
        return wanted;
    }

    /** Whether a part of this type is a picture. */
    static boolean isPicture(String type) {
        return type.equals("image_url") || type.equals("image") || type.equals("input_image");
    }

    /** Whether a part of this type is a video. */
    static boolean isVideo(String type) {
        return type.equals("video_url") || type.equals("video");
    }

    /** Where a part holds its picture or video: a text, a list of texts, or an object with more beside it. */
    private record Holder(String name, JsonNode value) {}

    private static Holder holder(Fields part, List<String> names, String usual) {
        Holder found = null;
        for (String name : names) {
            JsonNode value = part.any(name);
            if (value == null) {
                continue;
            }
            if (found != null) {
                throw Fields.invalid(part.at(name), "stands beside " + found.name() + ", expected one of both");
            }
            found = new Holder(name, value);
        }
        if (found == null) {
            throw Fields.invalid(
                    part.at(usual),
                    "is missing; expected a URL, or an object with a url; one of " + names + " holds it");
        }
        return found;
    }

    /** Reads a part for which {@link #isPicture} holds; returns its index. */
    int picture(Fields part, String type) {
        Holder holder = holder(part, PICTURES, type.equals("image") ? "image" : "image_url");
        String at = part.at(holder.name());
        Fields inner = null;
        PictureUrl source;
        switch (holder.name()) {
            case "image_url" -> {
                if (holder.value().isObject()) {
                    inner = part.requiredObject("image_url", Place.IMAGE_URL, "an object with a url");
                    source = url(inner.required("url", "a string"), inner.at("url"));
                } else {
                    source = url(holder.value(), at);
                }
            }
            case "source" -> source = anthropic(part.requiredObject("source", Place.SOURCE, "an object"));
            default -> source = url(holder.value(), at);
        }
        PixelLimits pixels = limits(part, inner, ceiling(part, inner));
        Rendering rendered = rendering(part, rendering);
        if (inner != null) {
            rendered = rendering(inner, rendered);
            inner.end();
        }
        return add(WantedPicture.still(source, pixels, rendered), inner == null ? at : inner.at("url"));
    }

    private PictureUrl anthropic(Fields source) {
        String type = source.requiredText("type");
        PictureUrl read = switch (type) {
            case "base64" -> url(source.required("data", "a string"), source.at("data"));
            case "url" -> url(source.required("url", "a string"), source.at("url"));
            default -> throw Fields.invalid(source.at("type"), "is unknown, expected base64 or url");
        };
        source.end();
        return read;
    }

    /** Reads a part for which {@link #isVideo} holds; returns its index. */
    int video(Fields part, String type) {
        Holder holder = holder(part, VIDEOS, type);
        Fields inner = null;
        JsonNode given = holder.value();
        String at = part.at(holder.name());
        if (holder.name().equals("video_url") && given.isObject()) {
            inner = part.requiredObject("video_url", Place.VIDEO_URL, "an object with a url");
            given = inner.required("url", "a string, or a list of strings");
            at = inner.at("url");
        }
        List<PictureUrl> sources = new ArrayList<>();
        if (given.isArray()) {
            if (given.isEmpty()) {
                throw Fields.invalid(at, "is empty, expected at least one frame");
            }
            for (int i = 0; i < given.size(); i++) {
                sources.add(url(given.get(i), at + "[" + i + "]"));
            }
        } else {
            sources.add(url(given, at));
        }
        FrameSampling frames = sampling(part, sampling);
        PixelLimits pixels = limits(part, inner, null);
        Rendering rendered = rendering(part, rendering);
        if (inner != null) {
            frames = sampling(inner, frames);
            rendered = rendering(inner, rendered);
            inner.end();
        }
        return add(new WantedPicture(Medium.VIDEO, sources, frames, pixels, rendered), at);
    }

    /** The limits of a picture that is given by its size alone. */
    PixelLimits limits(Fields size) {
        return limits(size, null, ceiling(size, null));
    }

    private int add(WantedPicture picture, String at) {
        requireFew(wanted.size() + 1, at);
        wanted.add(picture);
        return wanted.size() - 1;
    }

    void requireFew(int count, String at) {
        if (count > most) {
            throw new VlmException(
                    ErrorCode.INVALID_REQUEST, "the request holds more than " + most + " pictures", at, null);
        }
    }

    private PictureUrl url(JsonNode given, String at) {
        if (!given.isString()) {
            throw Fields.wrongType(at, given, "a string");
        }
        ByteBuffer cut = body.original(given.stringValue());
        return cut == null ? PictureUrl.of(given.stringValue(), at) : PictureUrl.of(cut, at);
    }

    private static FrameSampling sampling(Fields options, FrameSampling otherwise) {
        Double fps = options.number("fps", 0, 1000);
        if (fps != null && fps == 0) {
            throw Fields.invalid(options.at("fps"), "is 0, expected a number above 0");
        }
        Integer numFrames = options.integer("num_frames", 1, Integer.MAX_VALUE);
        if (fps != null && numFrames != null) {
            throw Fields.invalid(options.at("fps"), "stands beside num_frames, expected one of both");
        }
        return fps == null && numFrames == null ? otherwise : new FrameSampling(fps, numFrames);
    }

    private static @Nullable Rendering rendering(Fields options, @Nullable Rendering otherwise) {
        String named = options.text("rendering");
        if (named == null) {
            return otherwise;
        }
        return switch (named) {
            case "viewer" -> Rendering.VIEWER;
            case "reference" -> Rendering.REFERENCE;
            default -> throw Fields.invalid(options.at("rendering"), "is unknown, expected viewer or reference");
        };
    }

    /** What {@code detail} sets as the upper bound; it stands beside the URL, or beside the object that holds it. */
    private @Nullable Long ceiling(Fields outer, @Nullable Fields inner) {
        String own = inner == null ? null : inner.text("detail");
        String beside = outer.text("detail");
        String at = own != null && inner != null ? inner.at("detail") : outer.at("detail");
        String named = own != null ? own : beside != null ? beside : "auto";
        return switch (named) {
            case "low" -> (Long) detail.lowMaxPixels();
            case "high", "original" -> detail.highMaxPixels();
            case "auto", "" -> detail.autoMaxPixels();
            default -> throw Fields.invalid(at, "is unknown, expected low, high, original or auto");
        };
    }

    /** @param ceiling the upper bound where the caller gives none */
    private PixelLimits limits(Fields outer, @Nullable Fields inner, @Nullable Long ceiling) {
        Long min = minPixels;
        Long max = maxPixels == null ? ceiling : maxPixels;
        for (Fields nearer : inner == null ? List.of(outer) : List.of(outer, inner)) {
            Long ownMin = nearer.longInteger("min_pixels", 1, Long.MAX_VALUE);
            Long ownMax = nearer.longInteger("max_pixels", 1, Long.MAX_VALUE);
            min = ownMin == null ? min : ownMin;
            max = ownMax == null ? max : ownMax;
        }
        if (min != null && max != null && min > max) {
            throw new VlmException(
                    ErrorCode.PIXEL_LIMITS_INVALID,
                    "min_pixels is " + min + ", above max_pixels " + max + " (which detail may have set)",
                    inner == null ? outer.path() : inner.path(),
                    null);
        }
        return new PixelLimits(min, max);
    }
}
