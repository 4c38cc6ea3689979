package org.vlmserve.gateway.config;

import java.time.Duration;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.util.unit.DataSize;
import org.vlmserve.protocol.ProtocolLimits;

/**
 * Bounds on one request.
 *
 * @param timeout from admission to the last token; also the ceiling of the {@code x-request-timeout-ms} header
 * @param maxBody the JSON body. Base64 takes a third more than the picture in it
 * @param maxPicture one picture's file, however it came; at most {@link ProtocolLimits#MAX_PICTURE_BYTES}
 * @param maxPictures pictures of all messages together
 * @param maxText UTF-8 bytes of all texts together
 */
@ConfigurationProperties("vlm.request")
public record RequestConfig(
        @DefaultValue("5m") Duration timeout,
        @DefaultValue("28MB") DataSize maxBody,
        @DefaultValue("24MB") DataSize maxPicture,
        @DefaultValue("16") int maxPictures,
        @DefaultValue("2MB") DataSize maxText) {

    public RequestConfig {
        Require.positive("vlm.request.timeout", timeout);
        Require.within("vlm.request.max-body", maxBody.toBytes(), 1, 1L << 30);
        Require.within("vlm.request.max-picture", maxPicture.toBytes(), 1, ProtocolLimits.MAX_PICTURE_BYTES);
        Require.within("vlm.request.max-pictures", maxPictures, 0, 10_000);
        Require.within("vlm.request.max-text", maxText.toBytes(), 1, ProtocolLimits.MAX_PICTURE_BYTES);
    }
}
