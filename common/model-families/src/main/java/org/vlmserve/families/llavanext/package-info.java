/**
 * LLaVA-NeXT (project blog, January 2024): a picture as a thumbnail and a grid of tiles that fits its shape (AnyRes), padding taken
 * out of the features again, a learned newline behind each row; CLIP, a projector of two layers, Llama or Mistral. In come a
 * checkpoint's configuration files, pictures and conversations; out go a manifest's sections, encoder inputs and prepared prompts.
 * Verified by {@code LlavaNextFamilyTest} and {@code LlavaNextConfigTest} against transformers' goldens.
 */
@NullMarked
package org.vlmserve.families.llavanext;

import org.jspecify.annotations.NullMarked;
