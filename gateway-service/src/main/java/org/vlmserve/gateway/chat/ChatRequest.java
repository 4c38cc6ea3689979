package org.vlmserve.gateway.chat;

import java.util.List;
import org.vlmserve.gateway.picture.PictureUrl;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Sampling;

/**
 * A chat completion request that is valid as far as the gateway can tell.
 *
 * @param templateArguments a JSON object for the chat template
 * @param pictures where they are; {@link ChatTurn.Visual} parts index this list
 * @param includeUsage whether the stream ends with a chunk of usage
 */
record ChatRequest(
        String model,
        List<ChatTurn> turns,
        String templateArguments,
        List<WantedPicture> pictures,
        Sampling sampling,
        boolean stream,
        boolean includeUsage) {

    ChatRequest {
        turns = List.copyOf(turns);
        pictures = List.copyOf(pictures);
    }

    record WantedPicture(PictureUrl source, PixelLimits limits) {}
}
