/**
 * LLaVA-1.5 (arXiv:2310.03744) in the Hub's layout: a square picture, features of a CLIP tower, a projector of two layers, Llama.
 * In come a checkpoint's configuration files, pictures and conversations; out go a manifest's sections, encoder inputs and prepared
 * prompts. Verified by {@code LlavaFamilyTest} and {@code LlavaConfigTest} against transformers' goldens.
 */
@NullMarked
package org.vlmserve.families.llava;

import org.jspecify.annotations.NullMarked;
