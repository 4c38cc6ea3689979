/**
 * Reads a Hugging Face checkpoint's weights: files of safetensors or of {@code torch.save}, one or many, mapped into memory. In comes a
 * directory, out come tensors as floats, piece by piece. Verified by {@code SafetensorsTest} and {@code TorchFileTest}.
 */
@NullMarked
package org.vlmserve.importer.checkpoint;

import org.jspecify.annotations.NullMarked;
