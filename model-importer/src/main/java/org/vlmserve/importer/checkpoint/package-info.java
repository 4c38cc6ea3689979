/**
 * Reads a Hugging Face checkpoint's weights: safetensors files, one or many, mapped into memory. In comes a directory, out come
 * tensors as floats, piece by piece. Verified by {@code SafetensorsTest}.
 */
@NullMarked
package org.vlmserve.importer.checkpoint;

import org.jspecify.annotations.NullMarked;
