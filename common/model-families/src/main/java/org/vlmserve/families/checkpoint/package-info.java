/**
 * Reading the configuration files of a Hugging Face checkpoint: in goes a directory, out come values or an error that
 * names file and key. Verified by each family's configuration test.
 */
@NullMarked
package org.vlmserve.families.checkpoint;

import org.jspecify.annotations.NullMarked;
