package org.vlmserve.families.jinja;

/** A template that cannot be read, or cannot be rendered with the values at hand. */
public final class TemplateException extends RuntimeException {

    private final boolean raised;

    TemplateException(String message) {
        this(message, false);
    }

    TemplateException(String message, boolean raised) {
        super(message);
        this.raised = raised;
    }

    /** Whether the template itself refused, by {@code raise_exception}. */
    public boolean raised() {
        return raised;
    }
}
