package org.vlmserve.importer;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** How exactly a bundle keeps a checkpoint's weights. */
public enum Precision {
    /** As the reference computes; for parity tests. */
    FP32,
    /** 8-bit weights, activations quantised per token: the default on a CPU. */
    INT8,
    /** 4-bit weights in blocks: least memory. */
    INT4;

    /** As on the command line and in a manifest. */
    public String wireName() {
        return name().toLowerCase(Locale.ROOT);
    }

    public static Optional<Precision> ofWireName(String name) {
        return Arrays.stream(values())
                .filter(precision -> precision.wireName().equals(name))
                .findFirst();
    }
}
