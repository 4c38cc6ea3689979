package org.vlmserve.gateway.chat;

import org.vlmserve.gateway.config.ApiConfig.UnknownFields;

/**
 * What all objects of one body have in common while they are read.
 *
 * @param ignored is told of each field that has no effect
 */
record FieldContext(CutBody body, UnknownFields unknown, IgnoredFields ignored) {}
