/**
 * The manifest of a bundle: what the importer writes and every stage reads. In goes a directory, out come a checked manifest
 * and the paths of the files beside it, or an error that names file and field. Verified by {@code BundleReaderTest}.
 */
@NullMarked
package org.vlmserve.families.bundle;

import org.jspecify.annotations.NullMarked;
