/**
 * The import of LLaVA-NeXT in the Hub's layout. In come a checkpoint's configuration and tensors, out come the three graphs and the
 * manifest. Verified by {@code GoldenTest} against transformers.
 */
@NullMarked
package org.vlmserve.importer.llavanext;

import org.jspecify.annotations.NullMarked;
