/**
 * The graphs of Qwen2-VL (arXiv:2409.12191), and the only package here that knows its name. In come a checkpoint's configuration and
 * tensors, out come the three graphs and the manifest. Verified by {@code GoldenTest} against transformers.
 */
@NullMarked
package org.vlmserve.importer.qwen2vl;

import org.jspecify.annotations.NullMarked;
