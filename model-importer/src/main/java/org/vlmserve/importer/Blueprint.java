package org.vlmserve.importer;

import java.util.List;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.TokenizerFiles;
import org.vlmserve.importer.checkpoint.CheckpointTensor;
import org.vlmserve.importer.graph.OnnxGraph;

/**
 * A bundle before it is written.
 *
 * @param manifest without its revision, which follows from the written files
 * @param embeddings each [rows, hidden], copied one behind the other as they are; of one element type
 * @param tokenizer the bundle's {@code tokenizer.json}
 */
public record Blueprint(
        BundleManifest manifest,
        OnnxGraph encoder,
        OnnxGraph projector,
        OnnxGraph decoder,
        List<CheckpointTensor> embeddings,
        TokenizerFiles tokenizer) {

    /** Bytes of the embedding table. */
    long embeddingBytes() {
        return embeddings.stream().mapToLong(CheckpointTensor::byteSize).sum();
    }
}
