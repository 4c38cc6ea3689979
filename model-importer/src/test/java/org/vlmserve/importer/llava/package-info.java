@NullMarked
package org.vlmserve.importer.llava;

import org.jspecify.annotations.NullMarked;
