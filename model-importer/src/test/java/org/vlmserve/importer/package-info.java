/** Tests of whole imports, against goldens that transformers made. */
@NullMarked
package org.vlmserve.importer;

import org.jspecify.annotations.NullMarked;
