package org.vlmserve.families.checkpoint;

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * What an import tells about a checkpoint that it does not refuse: sentences that name the file or key, what was found and what became
 * of it. They are kept in the bundle's manifest, and thus in its revision, so none may name the place of the checkpoint or the time.
 * Thread-safe.
 */
public final class Warnings {

    private final Set<String> sentences = new LinkedHashSet<>();

    /** Adds a sentence; one that was added before is kept once. */
    public synchronized void add(String sentence) {
        sentences.add(sentence);
    }

    /** All sentences, in the order in which they came. */
    public synchronized List<String> list() {
        return List.copyOf(sentences);
    }
}
