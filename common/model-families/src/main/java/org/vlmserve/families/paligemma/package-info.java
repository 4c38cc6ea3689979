/**
 * PaliGemma (arXiv:2407.07726) and PaliGemma 2 (arXiv:2412.03555): a SigLIP vision encoder at a fixed square, one linear layer,
 * a Gemma or Gemma 2 decoder whose prompt, pictures first, sees all of itself. In come a checkpoint's configuration files,
 * pictures and conversations; out go a manifest's sections, encoder inputs, prepared prompts, and the boxes of a detection's
 * answer. Verified by {@code PaliGemmaFamilyTest} and {@code PaliGemmaConfigTest} against transformers' goldens, and by
 * {@code DetectionTest}.
 */
@NullMarked
package org.vlmserve.families.paligemma;

import org.jspecify.annotations.NullMarked;
