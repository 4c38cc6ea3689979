package org.vlmserve.gateway.chat;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The fields of one request that have no effect on its answer, as far as they are told. Filled by one thread. */
final class IgnoredFields {

    /** How many paths are told; a body may hold any number of fields. */
    static final int MOST_TOLD = 64;

    /** Stands for every name that the API does not know, so that a metric's tags are bounded. */
    static final String UNKNOWN = "unknown";

    private final List<String> paths = new ArrayList<>();
    private final Set<String> kinds = new LinkedHashSet<>();
    private int untold;

    /**
     * @param path of the field in the caller's body
     * @param kind its path in {@link ApiFields}, or {@link #UNKNOWN}
     */
    void add(String path, String kind) {
        kinds.add(kind);
        if (paths.size() < MOST_TOLD) {
            paths.add(path);
        } else {
            untold++;
        }
    }

    /** JSON paths, at most {@link #MOST_TOLD}, in the order in which they were met. */
    List<String> paths() {
        return paths;
    }

    /** Adds {@code ignored} to an answer's {@code vlm} object, and how many more there were, if not all are told. */
    void tell(ObjectNode vlm) {
        ArrayNode told = vlm.putArray("ignored");
        paths.forEach(told::add);
        if (untold > 0) {
            vlm.put("ignored_untold", untold);
        }
    }

    /** Which rows of the tables they belong to, from a bounded set. */
    Set<String> kinds() {
        return kinds;
    }
}
