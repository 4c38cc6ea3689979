/**
 * What the configuration files of networks that several families share say: a CLIP vision tower, a projector of two layers, a
 * Llama or Mistral decoder. In goes a checkpoint's JSON, out come sizes and choices. Verified by the configuration tests of the
 * families that use them.
 */
@NullMarked
package org.vlmserve.families.backbone;

import org.jspecify.annotations.NullMarked;
