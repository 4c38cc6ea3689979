package org.vlmserve.gateway.chat;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.gateway.chat.ChatRequest.WantedPicture;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;

/**
 * A request for a plan that is valid as far as the gateway can tell.
 *
 * @param ignored fields that have no effect
 * @param bodyBytes size of the body, which the pictures' sources hold until they are decoded
 */
record PlanCall(String model, List<Part> pictures, IgnoredFields ignored, int bodyBytes) {

    PlanCall {
        pictures = List.copyOf(pictures);
    }

    /** Either a picture, or no more than a size and the caller's limits. */
    record Part(@Nullable WantedPicture picture, @Nullable PictureSource size, PixelLimits limits) {}

    /** The pictures that have to be fetched, in order. */
    List<WantedPicture> wanted() {
        return pictures.stream()
                .map(Part::picture)
                .filter(java.util.Objects::nonNull)
                .toList();
    }
}
