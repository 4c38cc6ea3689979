package org.vlmserve.importer.graph;

import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.TensorShapeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.LongStream;
import org.vlmserve.onnx.EmbeddingTable;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.GraphContract;
import org.vlmserve.onnx.OnnxModel;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/** A decoder as it lies on the disk, asked for the logits of a prompt of a few tokens. */
public final class WrittenDecoder {

    /** Tokens S of the prompt, spread over the vocabulary. */
    private static final int TOKENS = 4;

    /** Positions T of its cache: what a graph that looks at a span of it takes at least. */
    private static final int ROOM = 128;

    private static final long PIECE_BYTES = 256L << 20;

    private final Path file;
    private final ModelProto model;
    private final PiecewiseRun run;

    public WrittenDecoder(Path file, EngineOptions options) throws IOException {
        this.file = file;
        this.model = ModelProto.parseFrom(Files.readAllBytes(file));
        this.run = new PiecewiseRun(model, PIECE_BYTES, (piece, inputs) -> {
            try (OnnxModel session = OnnxModel.of(piece, file, options)) {
                return session.run(inputs);
            }
        });
    }

    public int steps() {
        return run.pieces();
    }

    /**
     * @param scale what rows of the table are multiplied by
     * @param vocabulary V; rows behind it are no tokens
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} if a logit is no finite number
     */
    public void check(EmbeddingTable embeddings, float scale, int vocabulary, Runnable step) throws IOException {
        Map<String, Tensor> outputs = run.run(inputs(model, embeddings, scale, vocabulary), step);
        Tensor logits = outputs.get(GraphContract.LOGITS);
        if (logits == null) {
            throw new IllegalStateException(file + " ends without logits");
        }
        for (float logit : logits.toFloats()) {
            if (!Float.isFinite(logit)) {
                throw new VlmException(
                        ErrorCode.CHECKPOINT_UNREADABLE,
                        "the checkpoint's weights are finite, and the logits of a prompt of " + TOKENS
                                + " tokens are not (" + logit
                                + "): it would answer nonsense; fetch it again or import another revision");
            }
        }
    }

    /** The prompt, in an empty cache. */
    static Map<String, Tensor> inputs(ModelProto model, EmbeddingTable embeddings, float scale, int vocabulary) {
        Map<String, Tensor> inputs = new HashMap<>();
        for (ValueInfoProto input : model.getGraph().getInputList()) {
            String name = input.getName();
            TensorShapeProto shape = input.getType().getTensorType().getShape();
            inputs.put(
                    name,
                    switch (name) {
                        case GraphContract.INPUTS_EMBEDS -> prompt(embeddings, scale, vocabulary, size(shape, 2));
                        case GraphContract.POSITION_IDS -> positions(shape);
                        case GraphContract.ROWS, GraphContract.SEQLENS_K -> longs(TOKENS - 1);
                        case GraphContract.PAST_LENGTHS -> longs(0);
                        case GraphContract.TOTAL_LENGTHS, GraphContract.TOTAL_SEQUENCE_LENGTH -> longs(TOKENS);
                        case GraphContract.SPAN -> longs(ROOM);
                        default ->
                            Tensor.ofFloats(
                                    new float[size(shape, 1) * ROOM * size(shape, 3)],
                                    1,
                                    size(shape, 1),
                                    ROOM,
                                    size(shape, 3));
                    });
        }
        return inputs;
    }

    private static int size(TensorShapeProto shape, int axis) {
        return Math.toIntExact(shape.getDim(axis).getDimValue());
    }

    /** [1, S, H] */
    private static Tensor prompt(EmbeddingTable embeddings, float scale, int vocabulary, int hidden) {
        float[] rows = new float[TOKENS * hidden];
        for (int i = 0; i < TOKENS; i++) {
            embeddings.row((int) ((long) vocabulary * (2 * i + 1) / (2 * TOKENS)), rows, i * hidden);
        }
        for (int i = 0; i < rows.length; i++) {
            rows[i] *= scale;
        }
        return Tensor.ofFloats(rows, 1, TOKENS, hidden);
    }

    /** i64 [1, S], or [channels, 1, S]. */
    private static Tensor positions(TensorShapeProto shape) {
        LongStream counted = LongStream.range(0, TOKENS);
        if (shape.getDimCount() == 2) {
            return longs(counted.toArray(), 1, TOKENS);
        }
        int channels = size(shape, 0);
        return longs(
                LongStream.range(0, (long) channels * TOKENS)
                        .map(i -> i % TOKENS)
                        .toArray(),
                channels,
                1,
                TOKENS);
    }

    private static Tensor longs(long value) {
        return longs(new long[] {value}, 1);
    }

    private static Tensor longs(long[] values, int... shape) {
        ByteBuffer data = ByteBuffer.allocateDirect(values.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        data.asLongBuffer().put(values);
        return new Tensor(DType.I64, shape, data);
    }
}
