/**
 * PaliGemma and PaliGemma 2 checkpoints: a vision tower, one linear layer, and a decoder whose prefix sees all of itself.
 * Verified by {@code PaliGemmaGoldenTest} against transformers' goldens.
 */
@NullMarked
package org.vlmserve.importer.paligemma;

import org.jspecify.annotations.NullMarked;
