package org.vlmserve.gateway.chat;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.gateway.picture.PictureUrl;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.FrameSampling;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.Sampling;

/**
 * A chat completion request that is valid as far as the gateway can tell.
 *
 * @param templateArguments a JSON object for the chat template
 * @param pictures where they are; {@link ChatTurn.Visual} parts index this list
 * @param includeUsage whether the stream ends with a chunk of usage
 * @param ignored fields that have no effect
 * @param bodyBytes size of the body, which the pictures' sources hold until they are decoded
 */
record ChatRequest(
        String model,
        List<ChatTurn> turns,
        String templateArguments,
        List<WantedPicture> pictures,
        Sampling sampling,
        boolean stream,
        boolean includeUsage,
        IgnoredFields ignored,
        int bodyBytes) {

    ChatRequest {
        turns = List.copyOf(turns);
        pictures = List.copyOf(pictures);
    }

    /**
     * A picture or video that has to be fetched.
     *
     * @param sources one for a picture and for a video's file; one or more for a video's frames, in the order of time
     * @param sampling the caller's choice of a video file's frames
     * @param rendering the caller's choice, or null to leave it to the operator
     */
    record WantedPicture(
            Medium medium,
            List<PictureUrl> sources,
            FrameSampling sampling,
            PixelLimits limits,
            @Nullable Rendering rendering) {

        WantedPicture {
            sources = List.copyOf(sources);
        }

        static WantedPicture still(PictureUrl source, PixelLimits limits, @Nullable Rendering rendering) {
            return new WantedPicture(Medium.PICTURE, List.of(source), FrameSampling.DEFAULT, limits, rendering);
        }
    }
}
