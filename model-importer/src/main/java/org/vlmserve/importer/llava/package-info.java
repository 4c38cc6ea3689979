/**
 * The import of LLaVA-1.5 (arXiv:2310.03744) in the Hub's layout and of LLaVA (arXiv:2304.08485) in its original repository's. In come a
 * checkpoint's configuration and tensors, out come the three graphs and the manifest. Verified by {@code GoldenTest} against
 * transformers and by {@code OriginalArchitectureTest}.
 */
@NullMarked
package org.vlmserve.importer.llava;

import org.jspecify.annotations.NullMarked;
