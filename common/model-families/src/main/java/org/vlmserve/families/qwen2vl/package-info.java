/**
 * Qwen2-VL (arXiv:2409.12191): naive dynamic resolution, 2-D RoPE in the vision encoder, M-RoPE in the decoder. In come a
 * checkpoint's configuration files, pictures and conversations; out go a manifest's sections, encoder inputs and prepared
 * prompts. Verified by {@code Qwen2VlFamilyTest} and {@code Qwen2VlConfigTest} against transformers' goldens.
 */
@NullMarked
package org.vlmserve.families.qwen2vl;

import org.jspecify.annotations.NullMarked;
