/**
 * Fuzzing of readers: inputs are made from good ones by seeded mutations ({@link org.vlmserve.testing.fuzz.Mutator}), and a reader is
 * watched while it reads them ({@link org.vlmserve.testing.fuzz.Fuzzer}): no exception but those that it promises, no hang, no memory
 * out of proportion to the input. Verified by {@code MutatorTest} and {@code FuzzerTest}.
 */
@NullMarked
package org.vlmserve.testing.fuzz;

import org.jspecify.annotations.NullMarked;
