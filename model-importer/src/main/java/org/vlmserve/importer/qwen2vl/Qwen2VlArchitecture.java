package org.vlmserve.importer.qwen2vl;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.qwen2vl.Qwen2VlConfig;
import org.vlmserve.importer.Architecture;
import org.vlmserve.importer.Blueprint;
import org.vlmserve.importer.ImportOptions;
import org.vlmserve.importer.backbone.DecoderGraph;
import org.vlmserve.importer.backbone.DecoderSpec;
import org.vlmserve.importer.backbone.WordEmbeddings;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.graph.Activation;
import org.vlmserve.importer.graph.CachedAttention;
import org.vlmserve.importer.graph.MultimodalRotary;
import org.vlmserve.importer.graph.OnnxGraph;
import org.vlmserve.importer.graph.PrecisionPolicy;
import org.vlmserve.importer.graph.WeightFile;
import org.vlmserve.onnx.GraphContract;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Qwen2-VL checkpoints of any size. */
public final class Qwen2VlArchitecture implements Architecture {

    /** What GroupQueryAttention takes on a CPU. */
    private static final int HEAD_DIM_MULTIPLE = 8;

    @Override
    public String family() {
        return Qwen2VlConfig.MODEL_TYPE;
    }

    @Override
    public boolean reads(CheckpointJson config) {
        return Qwen2VlConfig.MODEL_TYPE.equals(config.optionalString("model_type"));
    }

    @Override
    public Blueprint blueprint(
            CheckpointReader checkpoint, ImportOptions options, Instant importedAt, Warnings warnings) {
        Path directory = checkpoint.directory();
        Qwen2VlConfig config = Qwen2VlConfig.read(directory, options.chatTemplate(), warnings);
        Qwen2VlConfig.Text text = config.text();
        if (text.headDim() % HEAD_DIM_MULTIPLE != 0) {
            throw new VlmException(
                    ErrorCode.CHECKPOINT_UNSUPPORTED,
                    directory.resolve("config.json") + ": hidden_size " + text.hidden() + " in " + text.heads()
                            + " heads makes heads of " + text.headDim() + ", expected a multiple of "
                            + HEAD_DIM_MULTIPLE);
        }
        Qwen2VlTensors tensors = new Qwen2VlTensors(checkpoint);
        PrecisionPolicy policy = new PrecisionPolicy(options.precision());
        WordEmbeddings words = tensors.words(text, warnings);

        OnnxGraph encoder = new OnnxGraph("encoder", new WeightFile(GraphContract.WEIGHTS));
        Qwen2VlEncoder.build(encoder, config.vision(), tensors, policy);
        OnnxGraph projector = new OnnxGraph("projector", new WeightFile(GraphContract.WEIGHTS));
        Qwen2VlProjector.build(projector, config.vision(), tensors, policy);
        OnnxGraph decoder = new OnnxGraph("decoder", new WeightFile(GraphContract.WEIGHTS));
        DecoderSpec spec = new DecoderSpec(
                text.hidden(),
                text.intermediate(),
                text.layers(),
                text.heads(),
                text.kvHeads(),
                text.headDim(),
                text.vocabulary(),
                text.rmsNormEps(),
                true,
                false,
                false,
                Activation.SILU);
        new DecoderGraph(
                        decoder,
                        spec,
                        tensors::text,
                        new MultimodalRotary(
                                decoder, text.mropeSection(), text.headDim(), text.ropeTheta(), text.contextLength()),
                        new CachedAttention(decoder, text.heads(), text.kvHeads(), text.headDim()),
                        policy)
                .build(words.head());

        BundleManifest manifest = new BundleManifest(
                BundleManifest.FORMAT,
                family(),
                "",
                options.precision().wireName(),
                importedAt,
                config.encoder(),
                config.projector(),
                config.decoder(words.table().dtype()),
                config.generation(),
                config.preprocessingSection(),
                config.promptSection(),
                BundleManifest.Checkpoint.UNREMARKABLE,
                config.chatTemplate());
        return new Blueprint(manifest, encoder, projector, decoder, List.of(words.table()), config.tokenizer());
    }
}
