package org.vlmserve.families.qwen2vl;

import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.ChatTemplates;
import org.vlmserve.families.checkpoint.CheckpointConfig;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.GenerationDefaults;
import org.vlmserve.families.checkpoint.PictureProcessor;
import org.vlmserve.families.checkpoint.TokenizerFiles;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What the JSON files of a Qwen2-VL checkpoint say, flat as on the Hub or nested as transformers 5 saves them. An omitted
 * key has the default of transformers' class (5.18, {@code configuration_qwen2_vl.py},
 * {@code image_processing_pil_qwen2_vl.py}).
 *
 * @param tokenizer what becomes the bundle's tokenizer.json
 */
public record Qwen2VlConfig(
        Vision vision,
        Text text,
        Qwen2VlPreprocessing preprocessing,
        Qwen2VlPrompt prompt,
        BundleManifest.Generation generation,
        String chatTemplate,
        TokenizerFiles tokenizer) {

    /** {@code model_type} of the checkpoints that this reads. */
    public static final String MODEL_TYPE = "qwen2_vl";

    /**
     * The vision encoder and the merger behind it.
     *
     * @param layerNormEps of every LayerNorm, the merger's too
     * @param outputSize columns of the merger's output, the text model's width
     */
    public record Vision(
            int depth,
            int embedDim,
            int heads,
            int mlpRatio,
            int inChannels,
            int patchSize,
            int temporalPatchSize,
            int spatialMergeSize,
            int outputSize,
            String hiddenAct,
            double layerNormEps,
            double ropeTheta) {

        public int headDim() {
            return embedDim / heads;
        }

        public int mlpSize() {
            return embedDim * mlpRatio;
        }

        /** Columns of {@code pixel_values}. */
        public int patchWidth() {
            return inChannels * temporalPatchSize * patchSize * patchSize;
        }

        /** Columns of the merger's input: the patches of one token, side by side. */
        public int mergedSize() {
            return embedDim * spatialMergeSize * spatialMergeSize;
        }
    }

    /**
     * The language model.
     *
     * @param mropeSection pairs of rotary dimensions for time, height and width; they add up to half the head
     * @param tied whether output layer and embedding table are one where the checkpoint has only one of them
     */
    public record Text(
            int hidden,
            int intermediate,
            int layers,
            int heads,
            int kvHeads,
            int vocabulary,
            int contextLength,
            double rmsNormEps,
            double ropeTheta,
            List<Integer> mropeSection,
            String hiddenAct,
            boolean tied) {

        public int headDim() {
            return hidden / heads;
        }
    }

    private static final List<Double> CLIP_MEAN = List.of(0.48145466, 0.4578275, 0.40821073);
    private static final List<Double> CLIP_STD = List.of(0.26862954, 0.26130258, 0.27577711);

    /**
     * @param checkpoint a directory with {@code config.json} and its companions
     * @param chatTemplate a file that takes the place of the checkpoint's chat template
     * @param warnings is told of what is not refused
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} for a file or key that is missing or malformed,
     *     {@code CHECKPOINT_UNSUPPORTED} for what this code does not build
     */
    public static Qwen2VlConfig read(Path checkpoint, @Nullable Path chatTemplate, Warnings warnings) {
        CheckpointJson config = CheckpointConfig.read(checkpoint);
        if (!MODEL_TYPE.equals(config.optionalString("model_type"))) {
            throw config.unsupported("model_type", MODEL_TYPE);
        }
        CheckpointJson textConfig = config.has("text_config") ? config.object("text_config") : config;
        Text text = text(config, textConfig);
        CheckpointJson visionConfig = config.object("vision_config");
        Vision vision = vision(visionConfig);
        if (vision.outputSize() != text.hidden()) {
            throw visionConfig.unreadable("hidden_size", "the text model's hidden_size, " + text.hidden());
        }
        TokenizerFiles tokenizer =
                TokenizerFiles.read(checkpoint, config, MODEL_TYPE, text.vocabulary(), List.of(), warnings);
        int imageTokenId = config.intValue("image_token_id", 151655);
        int videoTokenId = config.intValue("video_token_id", 151656);
        return new Qwen2VlConfig(
                vision,
                text,
                preprocessing(checkpoint, vision),
                new Qwen2VlPrompt(
                        tokenizer.addedToken(config, "image_token_id", imageTokenId),
                        imageTokenId,
                        tokenizer.addedToken(config, "video_token_id", videoTokenId),
                        videoTokenId,
                        vision.spatialMergeSize(),
                        tokenizer.before(),
                        tokenizer.after(),
                        tokenizer.special()),
                GenerationDefaults.read(
                        checkpoint,
                        textConfig.intOrInts("eos_token_id", config.intOrInts("eos_token_id", List.of(151645))),
                        warnings),
                ChatTemplates.require(checkpoint, chatTemplate),
                tokenizer);
    }

    /** The manifest's {@code encoder} section. */
    public BundleManifest.Encoder encoder() {
        return new BundleManifest.Encoder(vision.embedDim());
    }

    /** The manifest's {@code projector} section. */
    public BundleManifest.Projector projector() {
        return new BundleManifest.Projector(vision.spatialMergeSize() * vision.spatialMergeSize());
    }

    /** The manifest's {@code decoder} section, with the element type that the importer chose for the embeddings. */
    public BundleManifest.Decoder decoder(DType embeddingDtype) {
        return new BundleManifest.Decoder(
                text.hidden(),
                text.layers(),
                text.heads(),
                text.kvHeads(),
                text.headDim(),
                text.vocabulary(),
                text.contextLength(),
                3,
                text.vocabulary(),
                embeddingDtype,
                1);
    }

    /** The manifest's {@code preprocessing} section. */
    public JsonNode preprocessingSection() {
        return JsonMapper.shared().valueToTree(preprocessing);
    }

    /** The manifest's {@code prompt} section. */
    public JsonNode promptSection() {
        return JsonMapper.shared().valueToTree(prompt);
    }

    private static Text text(CheckpointJson config, CheckpointJson text) {
        int hidden = text.positiveInt("hidden_size", 8192);
        int heads = text.positiveInt("num_attention_heads", 64);
        // Absent, the class has 8; a written null means as many as there are heads.
        int kvHeads = text.node("num_key_value_heads").isNull() ? heads : text.positiveInt("num_key_value_heads", 8);
        if (hidden % heads != 0) {
            throw text.unreadable("num_attention_heads", "a divisor of hidden_size, " + hidden);
        }
        if (heads % kvHeads != 0) {
            throw text.unreadable("num_key_value_heads", "a divisor of num_attention_heads, " + heads);
        }
        if (text.booleanValue("use_sliding_window", false)) {
            throw text.unsupported("use_sliding_window", "false");
        }
        String hiddenAct = text.string("hidden_act", "silu");
        if (!hiddenAct.equals("silu")) {
            throw text.unsupported("hidden_act", "silu");
        }
        CheckpointJson rope = text.object(text.has("rope_scaling") ? "rope_scaling" : "rope_parameters");
        String ropeType = rope.string("rope_type", rope.string("type", "default"));
        if (!ropeType.equals("default") && !ropeType.equals("mrope")) {
            throw rope.unsupported(rope.has("rope_type") ? "rope_type" : "type", "default, mrope");
        }
        double theta = rope.doubleValue("rope_theta", text.doubleValue("rope_theta", 1_000_000));
        List<Integer> section = rope.intOrInts("mrope_section", List.of(16, 24, 24));
        int half = hidden / heads / 2;
        if (section.size() != 3
                || section.stream().anyMatch(part -> part < 0 || part > half)
                || section.stream().mapToInt(Integer::intValue).sum() != half) {
            throw rope.unreadable("mrope_section", "three numbers from 0 up that add up to half the head, " + half);
        }
        boolean tied =
                config.booleanValue("tie_word_embeddings", false) || text.booleanValue("tie_word_embeddings", false);
        return new Text(
                hidden,
                text.positiveInt("intermediate_size", 29568),
                text.layers("num_hidden_layers", 80),
                heads,
                kvHeads,
                text.positiveInt("vocab_size", 152064),
                text.positions("max_position_embeddings", 32768),
                text.doubleValue("rms_norm_eps", 1e-5),
                theta,
                section,
                hiddenAct,
                tied);
    }

    private static Vision vision(CheckpointJson vision) {
        // transformers' attribute map: num_attention_heads is an alias, and wins where both stand.
        String headsKey = vision.has("num_attention_heads") ? "num_attention_heads" : "num_heads";
        int embedDim = vision.positiveInt("embed_dim", 1280);
        int heads = vision.positiveInt(headsKey, 16);
        if (embedDim % heads != 0 || embedDim / heads % 4 != 0) {
            throw vision.unreadable(headsKey, "heads of embed_dim " + embedDim + " whose width is a multiple of 4");
        }
        String hiddenAct = vision.string("hidden_act", "quick_gelu");
        if (!hiddenAct.equals("quick_gelu")) {
            throw vision.unsupported("hidden_act", "quick_gelu");
        }
        int inChannels = vision.positiveInt("in_channels", 3);
        if (inChannels != 3) {
            throw vision.unsupported("in_channels", "3");
        }
        CheckpointJson rope = vision.object("rope_parameters");
        String ropeType = rope.string("rope_type", "axial");
        if (!ropeType.equals("axial") && !ropeType.equals("default")) {
            throw rope.unsupported("rope_type", "axial");
        }
        return new Vision(
                vision.layers("depth", 32),
                embedDim,
                heads,
                vision.positiveInt("mlp_ratio", 4),
                inChannels,
                vision.positiveInt("patch_size", 14),
                vision.positiveInt("temporal_patch_size", 2),
                vision.positiveInt("spatial_merge_size", 2),
                vision.positiveInt("hidden_size", 3584),
                hiddenAct,
                1e-6,
                rope.doubleValue("rope_theta", 10_000));
    }

    private static Qwen2VlPreprocessing preprocessing(Path checkpoint, Vision vision) {
        CheckpointJson images = PictureProcessor.read(checkpoint);
        checkSteps(images, vision);
        Bounds bounds = bounds(images, 56 * 56, 28 * 28 * 1280);
        List<Double> mean = images.doubles("image_mean", CLIP_MEAN);
        List<Double> std = images.doubles("image_std", CLIP_STD);
        if (mean.size() != 3) {
            throw images.unreadable("image_mean", "three numbers");
        }
        if (std.size() != 3 || std.contains(0.0)) {
            throw images.unreadable("image_std", "three numbers other than 0");
        }
        return new Qwen2VlPreprocessing(
                vision.patchSize(),
                vision.spatialMergeSize(),
                vision.temporalPatchSize(),
                bounds.min(),
                bounds.max(),
                images.doubleValue("rescale_factor", 1 / 255.0),
                mean,
                std,
                vision.headDim(),
                vision.ropeTheta(),
                video(videos(checkpoint), images, vision));
    }

    /**
     * The settings of videos, where the reference takes them from, in its order: nested, in a file of their own, those of
     * pictures. Without any of them the class's own hold.
     */
    private static @Nullable CheckpointJson videos(Path checkpoint) {
        CheckpointJson processor = CheckpointJson.readIfPresent(checkpoint.resolve("processor_config.json"));
        if (processor != null && processor.has("video_processor")) {
            return processor.object("video_processor");
        }
        CheckpointJson own = CheckpointJson.readIfPresent(checkpoint.resolve("video_preprocessor_config.json"));
        return own != null ? own : CheckpointJson.readIfPresent(checkpoint.resolve("preprocessor_config.json"));
    }

    private static Qwen2VlPreprocessing.Video video(
            @Nullable CheckpointJson videos, CheckpointJson images, Vision vision) {
        long min = 128 * 28 * 28;
        long max = 768 * 28 * 28;
        if (videos == null) {
            return new Qwen2VlPreprocessing.Video(min, max, null, 4, 768, null, null);
        }
        checkSteps(videos, vision);
        for (String key : List.of("image_mean", "image_std")) {
            List<Double> absent = key.equals("image_mean") ? CLIP_MEAN : CLIP_STD;
            if (!videos.doubles(key, absent).equals(images.doubles(key, absent))) {
                throw videos.unsupported(key, "that of pictures");
            }
        }
        if (videos.doubleValue("rescale_factor", 1 / 255.0) != images.doubleValue("rescale_factor", 1 / 255.0)) {
            throw videos.unsupported("rescale_factor", "that of pictures");
        }
        Bounds bounds = bounds(videos, min, max);
        Double fps = videos.optionalDouble("fps");
        Integer numFrames = videos.optionalInt("num_frames");
        if (fps != null && (fps <= 0 || numFrames != null)) {
            throw videos.unreadable("fps", "a number above 0, and no num_frames beside it");
        }
        if (numFrames != null && numFrames < 1) {
            throw videos.unreadable("num_frames", "at least 1");
        }
        return new Qwen2VlPreprocessing.Video(
                bounds.min(),
                bounds.max(),
                videos.booleanValue("cap_pixels_per_frame", false)
                        ? (Integer) videos.positiveInt("max_video_tokens", 128_000)
                        : null,
                videos.positiveInt("min_frames", 4),
                videos.positiveInt("max_frames", 768),
                fps,
                numFrames);
    }

    /** What is done to pixels, and the numbers that the encoder has too. */
    private static void checkSteps(CheckpointJson processor, Vision vision) {
        for (String step : List.of("do_resize", "do_rescale", "do_normalize", "do_convert_rgb")) {
            if (!processor.booleanValue(step, true)) {
                throw processor.unsupported(step, "true");
            }
        }
        if (processor.intValue("resample", 3) != 3) {
            throw processor.unsupported("resample", "3, bicubic");
        }
        same(processor, "patch_size", 14, vision.patchSize());
        same(processor, "merge_size", 2, vision.spatialMergeSize());
        same(processor, "temporal_patch_size", 2, vision.temporalPatchSize());
    }

    /** In pixels. */
    private record Bounds(long min, long max) {}

    private static Bounds bounds(CheckpointJson processor, long absentMin, long absentMax) {
        CheckpointJson size = processor.object("size");
        // A size that is given replaces the class's size as a whole.
        if (processor.has("size")) {
            if (!size.has("shortest_edge") && !processor.has("min_pixels")) {
                throw size.unreadable("shortest_edge", "the least number of pixels");
            }
            if (!size.has("longest_edge") && !processor.has("max_pixels")) {
                throw size.unreadable("longest_edge", "the largest number of pixels");
            }
        }
        long min = processor.longValue("min_pixels", size.longValue("shortest_edge", absentMin));
        long max = processor.longValue("max_pixels", size.longValue("longest_edge", absentMax));
        if (min < 1 || min > max) {
            String key =
                    processor.has("min_pixels") ? "min_pixels" : processor.has("max_pixels") ? "max_pixels" : "size";
            throw processor.unreadable(key, "from 1 pixel or more up to no fewer, got " + min + " to " + max);
        }
        return new Bounds(min, max);
    }

    /** The picture processor and the encoder each have these numbers; a checkpoint in which they differ cannot work. */
    private static void same(CheckpointJson images, String key, int absent, int encoder) {
        if (images.intValue(key, absent) != encoder) {
            throw images.unreadable(key, "the vision encoder's, " + encoder);
        }
    }
}
