package org.vlmserve.families.jinja;

/** A template that cannot be read, or cannot be rendered with the values at hand. */
public final class TemplateException extends RuntimeException {

    /** Why. */
    enum Kind {
        /** It is malformed, or does with values what cannot be done with them. */
        FAULT,
        /** It refuses, by {@code raise_exception}. */
        RAISED,
        /** It would use up more than {@link TemplateLimits} allow. */
        LIMIT
    }

    private final Kind kind;

    TemplateException(String message) {
        this(message, Kind.FAULT);
    }

    TemplateException(String message, Kind kind) {
        super(message);
        this.kind = kind;
    }

    /** Whether the template itself refused, by {@code raise_exception}. */
    public boolean raised() {
        return kind == Kind.RAISED;
    }

    /** Whether it took more than {@link TemplateLimits} allow. */
    public boolean overLimit() {
        return kind == Kind.LIMIT;
    }

    /** The same, said to be in a line; whoever said so first is right. */
    TemplateException inLine(int line) {
        String message = String.valueOf(getMessage());
        return raised() || message.startsWith("line ")
                ? this
                : new TemplateException("line " + line + ": " + message, kind);
    }
}
