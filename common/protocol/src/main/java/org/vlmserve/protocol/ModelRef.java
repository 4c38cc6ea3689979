package org.vlmserve.protocol;

/**
 * A model at one revision of its content.
 *
 * @param model the name that callers use, such as {@code line-reader}; letters, digits, dot, dash and underscore
 * @param revision the hash of the bundle's content, 12 hexadecimal digits
 */
public record ModelRef(String model, String revision) {

    public ModelRef {
        if (!model.matches("[A-Za-z0-9._-]{1,100}")) {
            throw new IllegalArgumentException("model name '" + model
                    + "': expected 1 to 100 letters, digits, dots, dashes or underscores, as it names Kafka topics");
        }
        if (!revision.matches("[0-9a-f]{12}")) {
            throw new IllegalArgumentException("revision '" + revision + "': expected 12 hexadecimal digits");
        }
    }
}
