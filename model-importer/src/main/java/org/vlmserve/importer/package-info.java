/**
 * Turns a Hugging Face checkpoint directory into a bundle: {@code ImportCommand} on the command line, {@code Importer} for programs.
 * What one architecture knows lies in a package of its own behind {@link org.vlmserve.importer.Architecture}. Verified by
 * {@code ImporterTest} (files, failures) and {@code GoldenTest} (numbers).
 */
@NullMarked
package org.vlmserve.importer;

import org.jspecify.annotations.NullMarked;
