package org.vlmserve.gateway.config;

import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * How strictly requests are read.
 *
 * @param unknownFields what becomes of a field that the API does not know
 */
@ConfigurationProperties("vlm.api")
public record ApiConfig(@DefaultValue("ignore") UnknownFields unknownFields) {

    /** What becomes of a field that the API does not know. */
    public enum UnknownFields {
        /** It is dropped, and the answer names it. */
        IGNORE,
        /** The request is refused. */
        REFUSE
    }
}
