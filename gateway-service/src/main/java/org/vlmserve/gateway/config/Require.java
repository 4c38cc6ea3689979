package org.vlmserve.gateway.config;

import java.time.Duration;

/** Refuses values that would only fail later, naming the key. */
final class Require {

    static void positive(String key, Duration value) {
        if (value.isZero() || value.isNegative()) {
            throw new IllegalArgumentException(key + " is " + value + ", expected a duration above zero");
        }
    }

    static void within(String key, long value, long least, long most) {
        if (value < least || value > most) {
            throw new IllegalArgumentException(key + " is " + value + ", expected " + least + " to " + most);
        }
    }

    private Require() {}
}
