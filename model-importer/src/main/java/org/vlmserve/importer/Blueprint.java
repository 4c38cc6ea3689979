package org.vlmserve.importer;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.importer.checkpoint.CheckpointTensor;
import org.vlmserve.importer.graph.OnnxGraph;

/**
 * A bundle before it is written.
 *
 * @param manifest without its revision, which follows from the written files
 * @param embeddings each [rows, hidden], copied one behind the other as they are; of one element type
 * @param tokenizerFiles copied into {@code tokenizer/}
 * @param madeTokenizerFiles written into {@code tokenizer/}, by name: what the checkpoint has in another format
 */
public record Blueprint(
        BundleManifest manifest,
        OnnxGraph encoder,
        OnnxGraph projector,
        OnnxGraph decoder,
        List<CheckpointTensor> embeddings,
        List<Path> tokenizerFiles,
        Map<String, byte[]> madeTokenizerFiles) {

    public Blueprint(
            BundleManifest manifest,
            OnnxGraph encoder,
            OnnxGraph projector,
            OnnxGraph decoder,
            List<CheckpointTensor> embeddings,
            List<Path> tokenizerFiles) {
        this(manifest, encoder, projector, decoder, embeddings, tokenizerFiles, Map.of());
    }

    /** Bytes of the embedding table. */
    long embeddingBytes() {
        return embeddings.stream().mapToLong(CheckpointTensor::byteSize).sum();
    }
}
