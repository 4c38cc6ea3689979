package org.vlmserve.families.qwen2vl;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The manifest's {@code preprocessing} section.
 *
 * @param patchSize side of a patch in pixels
 * @param mergeSize side of the square of patches that becomes one token
 * @param temporalPatchSize frames in a patch; a picture is repeated to fill them
 * @param minPixels least pixels after resizing
 * @param maxPixels most pixels after resizing
 * @param rescaleFactor what a byte is multiplied by
 * @param mean [3], subtracted after rescaling
 * @param std [3], divided by
 * @param ropeHeadDim width of one of the encoder's attention heads
 * @param ropeTheta base of the encoder's rotary frequencies
 * @param video what is different for videos
 */
public record Qwen2VlPreprocessing(
        int patchSize,
        int mergeSize,
        int temporalPatchSize,
        long minPixels,
        long maxPixels,
        double rescaleFactor,
        List<Double> mean,
        List<Double> std,
        int ropeHeadDim,
        double ropeTheta,
        Video video) {

    /**
     * Bounds and the choice of frames of videos.
     *
     * @param minPixels least pixels of a frame after resizing
     * @param maxPixels most pixels of a frame after resizing
     * @param maxTokens a bound for the whole video, of which its frames take even shares, or null: the number of merged
     *     patches of which nine tenths are given to it
     * @param minFrames least frames that are taken of a file at some rate
     * @param maxFrames most frames that are taken of a file at some rate
     * @param fps frames a second where nobody asks, or null
     * @param numFrames frames of a file where nobody asks, or null
     */
    public record Video(
            long minPixels,
            long maxPixels,
            @Nullable Integer maxTokens,
            int minFrames,
            int maxFrames,
            @Nullable Double fps,
            @Nullable Integer numFrames) {}

    static Qwen2VlPreprocessing of(Bundle bundle) {
        return section(bundle, "preprocessing", bundle.manifest().preprocessing(), Qwen2VlPreprocessing.class);
    }

    static <T> T section(Bundle bundle, String name, JsonNode node, Class<T> type) {
        try {
            return JsonMapper.shared().treeToValue(node, type);
        } catch (JacksonException e) {
            throw new VlmException(
                    ErrorCode.BUNDLE_CORRUPT,
                    bundle.directory().resolve(Bundle.MANIFEST) + ": field '" + name + "': " + e.getOriginalMessage(),
                    e);
        }
    }

    /** Both sides of a resized picture are multiples of this many pixels. */
    int factor() {
        return patchSize * mergeSize;
    }

    /** Values of one flattened patch: channels × time × height × width. */
    int patchWidth() {
        return 3 * temporalPatchSize * patchSize * patchSize;
    }
}
