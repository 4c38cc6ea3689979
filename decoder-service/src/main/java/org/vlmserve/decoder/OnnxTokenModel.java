package org.vlmserve.decoder;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.onnx.CausalDecoder;
import org.vlmserve.onnx.DecoderShape;
import org.vlmserve.onnx.EmbeddingTable;
import org.vlmserve.onnx.EngineOptions;

/** A bundle's decoder graph and embedding table. */
public final class OnnxTokenModel implements TokenModel {

    private final CausalDecoder decoder;
    private final EmbeddingTable table;
    private final float scale;

    private OnnxTokenModel(CausalDecoder decoder, EmbeddingTable table, float scale) {
        this.decoder = decoder;
        this.table = table;
        this.scale = scale;
    }

    /**
     * @throws org.vlmserve.protocol.error.VlmException {@code BUNDLE_CORRUPT}, {@code OUT_OF_MEMORY} for a cache that does
     *     not fit
     */
    public static OnnxTokenModel load(Bundle bundle, DecoderConfig config, EngineOptions options) {
        BundleManifest.Decoder sizes = bundle.manifest().decoder();
        DecoderShape shape = new DecoderShape(
                sizes.layers(),
                sizes.kvHeads(),
                sizes.headDim(),
                sizes.hidden(),
                sizes.vocabulary(),
                sizes.positionChannels());
        EmbeddingTable table = EmbeddingTable.open(
                bundle.decoderEmbeddings(), sizes.embeddingDtype(), sizes.embeddingRows(), sizes.hidden());
        try {
            int capacity = Math.min(config.contextLength(), sizes.contextLength());
            return new OnnxTokenModel(
                    CausalDecoder.load(bundle.decoderGraph(), shape, config.modelSlots(), capacity, options),
                    table,
                    sizes.embeddingScale());
        } catch (RuntimeException e) {
            table.close();
            throw e;
        }
    }

    /** A short prompt and a token of answer in every slot: the graph and the cache are touched once. Before any request. */
    void warmUp() {
        int length = 2;
        float[] embeddings = new float[Math.max(length, slots()) * hidden()];
        for (int row = 0; row < embeddings.length / hidden(); row++) {
            embed(0, embeddings, row * hidden());
        }
        float[][] logits = new float[slots()][vocabulary()];
        for (int slot = 0; slot < slots(); slot++) {
            prefill(slot, 0, embeddings, length, new long[positionChannels()][length], logits[slot]);
        }
        int[] totals = new int[slots()];
        Arrays.fill(totals, length + 1);
        decode(0, slots(), embeddings, new long[positionChannels()][slots()], totals, logits);
    }

    @Override
    public int slots() {
        return decoder.slots();
    }

    @Override
    public int contextLength() {
        return decoder.capacity();
    }

    @Override
    public int vocabulary() {
        return decoder.shape().vocabulary();
    }

    @Override
    public int hidden() {
        return decoder.shape().hidden();
    }

    @Override
    public int positionChannels() {
        return decoder.shape().positionChannels();
    }

    @Override
    public void embed(int row, float[] target, int offset) {
        table.row(row, target, offset);
        if (scale != 1) {
            for (int i = offset; i < offset + hidden(); i++) {
                target[i] *= scale;
            }
        }
    }

    @Override
    public void prefill(
            int slot, int past, float[] embeddings, int length, long[][] positions, float @Nullable [] logits) {
        float[] last = decoder.prefill(slot, past, embeddings, length, positions, logits != null);
        if (logits != null && last != null) {
            System.arraycopy(last, 0, logits, 0, logits.length);
        }
    }

    @Override
    public void decode(
            int firstSlot, int count, float[] embeddings, long[][] positions, int[] totals, float[][] logits) {
        decoder.decode(firstSlot, count, embeddings, positions, totals, logits);
    }

    @Override
    public void copySlot(int from, int to, int length) {
        decoder.copySlot(from, to, length);
    }

    @Override
    public void close() {
        decoder.close();
        table.close();
    }
}
