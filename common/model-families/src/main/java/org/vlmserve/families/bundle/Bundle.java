package org.vlmserve.families.bundle;

import java.nio.file.Path;

/**
 * A bundle on disk: {@code bundle.json} and the folders {@code encoder/}, {@code projector/}, {@code decoder/} (each a
 * {@code graph.onnx} with its weights) and {@code tokenizer/}. A stage needs only its own folder.
 */
public record Bundle(Path directory, BundleManifest manifest) {

    public static final String MANIFEST = "bundle.json";
    public static final String GRAPH = "graph.onnx";
    private static final String TOKENIZER = "tokenizer.json";

    /** Token embeddings, row-major [rows, hidden] in {@link BundleManifest.Decoder#embeddingDtype()}. */
    public static final String EMBEDDINGS = "embeddings.bin";

    public Path encoderGraph() {
        return directory.resolve("encoder").resolve(GRAPH);
    }

    public Path projectorGraph() {
        return directory.resolve("projector").resolve(GRAPH);
    }

    public Path decoderGraph() {
        return directory.resolve("decoder").resolve(GRAPH);
    }

    public Path decoderEmbeddings() {
        return directory.resolve("decoder").resolve(EMBEDDINGS);
    }

    /** {@code tokenizer.json}, which says all that there is to know of the tokenizer. */
    public Path tokenizer() {
        return directory.resolve("tokenizer").resolve(TOKENIZER);
    }
}
