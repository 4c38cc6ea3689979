package org.vlmserve.families.jinja;

import java.util.Collection;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.jinja.TemplateException.Kind;

/**
 * What is left of {@link TemplateLimits} for one rendering. It is bound to the thread while a template renders, so that whatever makes or
 * touches values can charge for them. Not thread-safe; a rendering has one thread.
 */
final class Budget {

    static final ScopedValue<Budget> CURRENT = ScopedValue.newInstance();

    /** Characters that are looked at in one step. */
    private static final int CHARACTERS_A_STEP = 64;

    /** Comparisons of characters in one step, where a text is sought in a text: what a processor does about as quickly. */
    private static final int COMPARISONS_A_STEP = 256;

    private final TemplateLimits limits;
    private long steps;
    private long made;
    private int depth;
    private int deepest;

    Budget(TemplateLimits limits) {
        this.limits = limits;
    }

    long steps() {
        return steps;
    }

    long made() {
        return made;
    }

    int deepest() {
        return deepest;
    }

    /** Begins something within something; {@link #leave} ends it. After an exception nothing goes on, so nothing is ended. */
    static void enter() {
        Budget budget = CURRENT.get();
        budget.charge(1);
        budget.deepest = Math.max(budget.deepest, ++budget.depth);
        if (budget.depth > budget.limits.depth()) {
            throw over("the template goes more levels deep", budget.limits.depth());
        }
    }

    static void leave() {
        CURRENT.get().depth--;
    }

    /** Charges for items that are touched. */
    static void touch(long items) {
        CURRENT.get().charge(items);
    }

    /** Charges for characters that are looked at once. */
    static void read(long characters) {
        CURRENT.get().charge(characters / CHARACTERS_A_STEP);
    }

    /** Charges for a search, which may compare each place of the text with the whole of what is sought. */
    static void search(String text, String sought) {
        CURRENT.get().charge(1 + (long) text.length() * Math.max(1, sought.length()) / COMPARISONS_A_STEP);
    }

    /** Charges for characters or items before they are made. */
    static void make(long size) {
        Budget budget = CURRENT.get();
        if (size < 0 || size > budget.limits.made() - budget.made) {
            throw over("the template makes more characters or items", budget.limits.made());
        }
        budget.made += size;
        budget.charge(size / CHARACTERS_A_STEP);
    }

    /** Charges for a result, which grew from what was there by no more than a small factor. */
    static <T extends @Nullable Object> T made(T value) {
        if (value instanceof String text) {
            make(text.length());
        } else if (value instanceof Collection<?> items) {
            make(items.size());
        }
        return value;
    }

    /** Charges and appends. */
    static void append(StringBuilder out, String text) {
        make(text.length());
        out.append(text);
    }

    /** {@code text} so many times; none for a negative number, as in Python. */
    static String repeat(String text, long times) {
        long count = text.isEmpty() ? 0 : Math.max(0, times);
        make(Math.multiplyHigh(count, text.length()) != 0 ? Long.MAX_VALUE : count * text.length());
        return text.repeat((int) count);
    }

    private void charge(long more) {
        if (more > limits.steps() - steps) {
            throw over("the template takes more steps", limits.steps());
        }
        steps += more;
    }

    static TemplateException over(String what, long limit) {
        return new TemplateException(what + " than the " + limit + " that it may", Kind.LIMIT);
    }
}
