package org.vlmserve.families.prompt;

/** What a control token is where it stands in a caller's text. */
public enum ControlTokens {

    /** Text like any other: the template's own tokens cannot be had by writing them. */
    TEXT,

    /** A token, as the reference's tokenizer reads it, wherever it stands. A marker of a picture's place is refused. */
    TOKENS
}
