package org.vlmserve.messaging;

import org.vlmserve.protocol.AnswerEvent;

/**
 * One request as its log tells it. Every reader of the log applies this rule and so reaches the same view:
 *
 * <ol>
 *   <li>{@code Started} with a higher attempt than any before takes the request over; a later {@code Started} of the same
 *       attempt has lost.
 *   <li>{@code Token} and {@code Finished} count only in the name of the present claim. A token counts if its index is the
 *       next; an index that was there already is dropped.
 *   <li>{@code Failed} counts in the name of the present claim, or with a higher attempt: a decoder that ends a request
 *       without having begun it needs no claim.
 *   <li>{@code Released} counts in the name of the present claim, which it ends.
 *   <li>What follows the end is dropped.
 * </ol>
 */
final class AnswerLog {

    /** What an event means to a reader. */
    enum Verdict {
        /** Changes the request. */
        COUNTS,
        /** Superseded, lost or seen before. */
        VOID,
        /** A token whose predecessors are not in the log. */
        GAP
    }

    private int attempt;
    private String instance = "";
    private int releases;
    private int next;
    private boolean ended;

    Verdict read(AnswerEvent event) {
        if (ended) {
            return Verdict.VOID;
        }
        boolean present = event.attempt() == attempt && event.instance().equals(instance);
        switch (event) {
            case AnswerEvent.Started started -> {
                if (started.attempt() <= attempt) {
                    return Verdict.VOID;
                }
                attempt = started.attempt();
                instance = started.instance();
                return Verdict.COUNTS;
            }
            case AnswerEvent.Token token -> {
                if (!present || token.index() < next) {
                    return Verdict.VOID;
                }
                if (token.index() > next) {
                    return Verdict.GAP;
                }
                next++;
                return Verdict.COUNTS;
            }
            case AnswerEvent.Finished finished -> {
                ended = present;
                return present ? Verdict.COUNTS : Verdict.VOID;
            }
            case AnswerEvent.Failed failed -> {
                ended = present || failed.attempt() > attempt;
                return ended ? Verdict.COUNTS : Verdict.VOID;
            }
            case AnswerEvent.Missing missing -> {
                // Claims nothing and voids nothing: a picture is lacking before a first attempt or before a later one.
                return Verdict.COUNTS;
            }
            case AnswerEvent.Released released -> {
                if (!present) {
                    return Verdict.VOID;
                }
                instance = "";
                releases++;
                return Verdict.COUNTS;
            }
            case AnswerEvent.Planned planned -> {
                // Not of a prompt: nobody claims a plan.
                return Verdict.COUNTS;
            }
        }
    }

    /** The highest attempt that was claimed; 0 before the first. */
    int attempt() {
        return attempt;
    }

    /** How many of the attempts were given up in good order, and so did not fail. */
    int releases() {
        return releases;
    }

    /** Who holds it; empty before the first claim and after one that was released. */
    String instance() {
        return instance;
    }

    /** The index of the next token. */
    int next() {
        return next;
    }

    boolean ended() {
        return ended;
    }
}
