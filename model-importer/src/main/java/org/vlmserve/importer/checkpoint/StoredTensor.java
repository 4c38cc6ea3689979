package org.vlmserve.importer.checkpoint;

import java.nio.file.Path;

/** What stands under a name in a checkpoint's file. */
sealed interface StoredTensor permits CheckpointTensor, UnsupportedTensor {

    String name();

    Path file();
}
