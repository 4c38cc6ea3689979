/**
 * The import of LLaVA-1.5 (arXiv:2310.03744) in the Hub's layout. In come a checkpoint's configuration and tensors, out come the three graphs and the
 * manifest. Verified by {@code GoldenTest} against transformers.
 */
@NullMarked
package org.vlmserve.importer.llava;

import org.jspecify.annotations.NullMarked;
