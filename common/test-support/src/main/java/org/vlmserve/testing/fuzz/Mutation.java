package org.vlmserve.testing.fuzz;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.random.RandomGenerator;

/**
 * One way of changing an input. It may draw from {@code random} only, so that a seed says everything, and must not write into the
 * arrays that it is given. An input that it cannot change, such as JSON where there is none, it gives back as it is.
 */
@FunctionalInterface
public interface Mutation {

    /**
     * @param input what is changed
     * @param other another input of the corpus, or the same, to take pieces from
     */
    byte[] mutate(byte[] input, byte[] other, RandomGenerator random);

    /** One of {@code mutations}, each as likely as the others. */
    static Mutation oneOf(List<Mutation> mutations) {
        List<Mutation> choices = List.copyOf(mutations);
        return (input, other, random) ->
                choices.get(random.nextInt(choices.size())).mutate(input, other, random);
    }

    /**
     * This mutation for a part of an input, such as a header behind its length.
     *
     * @param part cuts the part out of an input
     * @param whole puts a changed part back into an input, with lengths and checksums that fit it
     */
    default Mutation within(UnaryOperator<byte[]> part, Whole whole) {
        return (input, other, random) -> whole.with(input, mutate(part.apply(input), part.apply(other), random));
    }

    /** Puts a part into an input. */
    @FunctionalInterface
    interface Whole {
        byte[] with(byte[] input, byte[] part);
    }

    /** Changes UTF-8 text; what is not UTF-8 has U+FFFD in its place. */
    @FunctionalInterface
    interface OfText {

        String mutate(String input, String other, RandomGenerator random);

        default Mutation ofBytes() {
            return (input, other, random) -> mutate(
                            new String(input, StandardCharsets.UTF_8),
                            new String(other, StandardCharsets.UTF_8),
                            random)
                    .getBytes(StandardCharsets.UTF_8);
        }
    }
}
