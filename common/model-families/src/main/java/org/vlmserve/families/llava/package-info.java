/**
 * LLaVA-1.5 (arXiv:2310.03744) in the Hub's layout, and LLaVA (arXiv:2304.08485) in its original repository's, whose classes are
 * called {@code Original…}: a square picture, features of a CLIP tower, a projector of one layer or two, Llama.
 * In come a checkpoint's configuration files, pictures and conversations; out go a manifest's sections, encoder inputs and prepared
 * prompts. Verified by {@code LlavaFamilyTest}, {@code LlavaConfigTest}, {@code OriginalFamilyTest} and {@code OriginalConfigTest} against
 * transformers' goldens.
 */
@NullMarked
package org.vlmserve.families.llava;

import org.jspecify.annotations.NullMarked;
