package org.vlmserve.launcher;

import java.util.Map;
import java.util.TreeMap;

/**
 * What the running suite was asked to be; kept in {@code run/} while it runs.
 *
 * @param port the gateway's
 * @param bundles a bundle's directory by the name of the model
 * @param passing whether the suite goes when the last {@code vlm ask} that uses it ends
 */
record Settings(int port, Map<String, String> bundles, boolean passing) {

    static final String NAME = "suite";

    Settings {
        bundles = new TreeMap<>(bundles);
    }
}
