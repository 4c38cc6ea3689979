package org.vlmserve.families.llava;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.backbone.ClipTower;
import org.vlmserve.families.backbone.LlamaDecoder;
import org.vlmserve.families.backbone.VisionFeatures;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.bundle.BundleSections;
import org.vlmserve.families.checkpoint.AddedToken;
import org.vlmserve.families.checkpoint.ChatTemplates;
import org.vlmserve.families.checkpoint.CheckpointConfig;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.GenerationDefaults;
import org.vlmserve.families.checkpoint.PictureProcessor;
import org.vlmserve.families.checkpoint.TokenizerFiles;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.prompt.PlaceholderPrompt;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;

/**
 * What the files of a checkpoint in the layout of LLaVA's original repository say: a flat config.json with {@code mm_…} keys, the
 * vision tower in a directory of its own, the tokenizer often as a SentencePiece model only. LLaVA v1 (arXiv:2304.08485) exists in
 * this layout alone. Reference: https://github.com/haotian-liu/LLaVA, {@code llava/model/llava_arch.py},
 * {@code multimodal_encoder/clip_encoder.py}, {@code multimodal_projector/builder.py} and {@code builder.py}.
 *
 * @param towerDirectory the tower's own checkpoint
 * @param linearProjector whether the projector is one linear layer; otherwise it is two with GELU between them
 * @param ownTower whether the tower's weights are in the checkpoint, as they are where it was trained along
 * @param tokenizer what becomes the bundle's tokenizer.json
 */
public record OriginalConfig(
        CheckpointJson config,
        ClipTower tower,
        Path towerDirectory,
        VisionFeatures features,
        boolean linearProjector,
        boolean ownTower,
        LlamaDecoder decoder,
        LlavaPreprocessing preprocessing,
        PlaceholderPrompt prompt,
        BundleManifest.Generation generation,
        String chatTemplate,
        TokenizerFiles tokenizer) {

    /** The later of the two {@code model_type}s; the earlier is also that of the Hub's layout. */
    public static final String FAMILY = "llava_llama";

    private static final List<String> MODEL_TYPES = List.of(LlavaConfig.MODEL_TYPE, FAMILY);
    private static final String TOWER = "mm_vision_tower";
    private static final String LINEAR = "linear";
    private static final String MLP = "mlp2x_gelu";
    private static final String PLACEHOLDER = "<image>";
    private static final List<String> MARKERS = List.of("<im_start>", "<im_end>");
    private static final String PATCH_TOKEN = "<im_patch>";

    /** No token has it, so no text can stand for a picture. */
    static final int PLACEHOLDER_ID = -200;

    private static final Map<String, String> SPECIAL_TOKENS =
            Map.of("bos_token", "<s>", "eos_token", "</s>", "unk_token", "<unk>");

    /** Whether a config.json is of this layout, whatever its {@code model_type} shares with the Hub's. */
    public static boolean reads(CheckpointJson config) {
        return MODEL_TYPES.contains(config.string("model_type", ""))
                && (config.has(TOWER)
                        || config.has("mm_hidden_size")
                        || FAMILY.equals(config.string("model_type", "")));
    }

    /**
     * Reads a checkpoint and its vision tower.
     *
     * @param visionTower the directory of the tower's checkpoint; null for one inside the checkpoint
     * @param chatTemplate a file that takes the place of chat_template.jinja, or of the conversation "vicuna v1"
     * @param warnings is told of what is not refused
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} for a file or key that is missing or malformed, or a tower that was not
     *     given; {@code CHECKPOINT_UNSUPPORTED} for what is not built
     */
    public static OriginalConfig read(
            Path checkpoint, @Nullable Path visionTower, @Nullable Path chatTemplate, Warnings warnings) {
        CheckpointJson config = CheckpointConfig.read(checkpoint);
        Path towerDirectory = visionTower == null ? towerInside(checkpoint, config) : visionTower;
        ClipTower tower = tower(towerDirectory);
        if (config.requireInt("mm_hidden_size") != tower.width() || config.booleanValue("s2", false)) {
            throw config.unreadable(
                    "mm_hidden_size",
                    "the width of the tower in " + towerDirectory + ", " + tower.width() + "; is it the one that "
                            + TOWER + " names, " + config.node(TOWER) + "?");
        }
        VisionFeatures features = features(config, tower);
        String aspectRatio = config.string("image_aspect_ratio", "square");
        if (!List.of("square", "pad").contains(aspectRatio)) {
            throw config.unsupported("image_aspect_ratio", "pad, square or none");
        }
        String projector = config.string("mm_projector_type", LINEAR);
        if (!List.of(LINEAR, MLP).contains(projector)) {
            throw config.unsupported("mm_projector_type", LINEAR + ", " + MLP);
        }
        LlamaDecoder decoder = LlamaDecoder.llama(config);
        TokenizerFiles tokenizer = tokenizer(checkpoint, config, decoder.vocabulary(), warnings);
        return new OriginalConfig(
                config,
                tower,
                towerDirectory,
                features,
                projector.equals(LINEAR),
                config.booleanValue("unfreeze_mm_vision_tower", false),
                decoder,
                LlavaPreprocessing.read(PictureProcessor.read(towerDirectory), tower, features)
                        .padded(aspectRatio.equals("pad")),
                prompt(checkpoint, config, tokenizer),
                GenerationDefaults.read(checkpoint, decoder.eosTokenIds(), warnings),
                template(checkpoint, chatTemplate),
                tokenizer);
    }

    /** A tower that stands in the checkpoint's own directory, under the name that the checkpoint gives it. */
    private static Path towerInside(Path checkpoint, CheckpointJson config) {
        String name = config.string(TOWER, "");
        // A name that holds a NUL is none for a file, and makes Path throw.
        Path inside = checkpoint.resolve(name.indexOf('\0') < 0 ? name : "");
        // Of absolute paths alone is it known what lies in what.
        Path place = checkpoint.toAbsolutePath().normalize();
        Path absolute = inside.toAbsolutePath().normalize();
        if (name.isEmpty() || absolute.equals(place) || !absolute.startsWith(place) || !Files.isDirectory(inside)) {
            throw config.unreadable(
                    TOWER, "the directory of that vision tower's checkpoint, given with --vision-tower DIR");
        }
        return inside;
    }

    /** The configuration of a vision tower alone, or a whole CLIP's. */
    private static ClipTower tower(Path directory) {
        CheckpointJson config = CheckpointConfig.read(directory);
        return config.has("vision_config") ? ClipTower.read(config.object("vision_config")) : ClipTower.read(config);
    }

    private static VisionFeatures features(CheckpointJson config, ClipTower tower) {
        int layer = config.requireInt("mm_vision_select_layer");
        int counted = layer < 0 ? layer + tower.layers() + 1 : layer;
        if (counted < 0 || counted > tower.layers()) {
            throw config.unreadable(
                    "mm_vision_select_layer",
                    "a layer of a tower that has " + tower.layers() + ", counted from 0 or from -1");
        }
        String feature = config.string("mm_vision_select_feature", "patch");
        if (!List.of("patch", "cls_patch").contains(feature)) {
            throw config.unsupported("mm_vision_select_feature", "patch, cls_patch");
        }
        return new VisionFeatures(List.of(counted), feature.equals("cls_patch"));
    }

    /** The original adds its markers when it loads a checkpoint, behind all that are there. */
    private static TokenizerFiles tokenizer(Path checkpoint, CheckpointJson config, int vocabulary, Warnings warnings) {
        boolean marked = config.booleanValue("mm_use_im_start_end", false);
        List<AddedToken> markers = new ArrayList<>();
        if (marked && config.booleanValue("mm_use_im_patch_token", true)) {
            markers.add(AddedToken.special(PATCH_TOKEN));
        }
        if (marked) {
            MARKERS.forEach(marker -> markers.add(AddedToken.special(marker)));
        }
        TokenizerFiles tokenizer;
        if (Files.exists(checkpoint.resolve("tokenizer.json"))) {
            // The reference's own configurations have this layout's model types for another layout, or not at all.
            tokenizer = TokenizerFiles.read(checkpoint, config, "", vocabulary, markers, warnings);
        } else if (Files.exists(checkpoint.resolve(TokenizerFiles.SENTENCE_PIECE))) {
            tokenizer = TokenizerFiles.convert(checkpoint, config, vocabulary, markers, warnings);
        } else {
            throw new VlmException(
                    ErrorCode.CHECKPOINT_UNREADABLE,
                    checkpoint + ": there is no tokenizer; expected tokenizer.json or "
                            + TokenizerFiles.SENTENCE_PIECE);
        }
        for (String marker : marked ? MARKERS : List.<String>of()) {
            if (tokenizer.idOf(marker) < 0) {
                throw config.unreadable(
                        "vocab_size", "a row for " + marker + " behind all others, as mm_use_im_start_end is true");
            }
        }
        return tokenizer;
    }

    private static PlaceholderPrompt prompt(Path checkpoint, CheckpointJson config, TokenizerFiles tokenizer) {
        CheckpointJson settings = CheckpointJson.readIfPresent(checkpoint.resolve("tokenizer_config.json"));
        Map<String, String> special = new TreeMap<>(tokenizer.special());
        SPECIAL_TOKENS.forEach((name, token) -> {
            // What only the defaults of Llama's class name may be missing from a tokenizer of another kind.
            boolean absent = settings == null || settings.node(name).isMissingNode();
            if (absent && tokenizer.idOf(token) >= 0) {
                special.putIfAbsent(name, token);
            }
        });
        special.values().removeIf(token -> tokenizer.idOf(token) < 0);
        String beginning = special.get("bos_token");
        boolean begins = settings == null || settings.booleanValue("add_bos_token", true);
        if (settings != null && settings.booleanValue("add_eos_token", false)) {
            throw settings.unsupported("add_eos_token", "false");
        }
        special.put(
                "image_token",
                config.booleanValue("mm_use_im_start_end", false)
                        ? MARKERS.getFirst() + PLACEHOLDER + MARKERS.getLast()
                        : PLACEHOLDER);
        return new PlaceholderPrompt(
                PLACEHOLDER,
                PLACEHOLDER_ID,
                begins && beginning != null ? List.of(tokenizer.idOf(beginning)) : List.of(),
                List.of(),
                special);
    }

    /** Published checkpoints have none; one that was trained with another conversation than theirs may have a file of its own. */
    private static String template(Path checkpoint, @Nullable Path given) {
        Path own = checkpoint.resolve("chat_template.jinja");
        if (given == null && !Files.exists(own)) {
            return vicuna();
        }
        return ChatTemplates.require(checkpoint, given == null ? own : given);
    }

    private static String vicuna() {
        try (InputStream in = OriginalConfig.class.getResourceAsStream("vicuna-v1.jinja")) {
            if (in == null) {
                throw new IllegalStateException("vicuna-v1.jinja is not beside " + OriginalConfig.class);
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * The manifest, without its revision.
     *
     * @param embeddingDtype element type of the embedding table
     */
    public BundleManifest manifest(String precision, Instant importedAt, DType embeddingDtype) {
        return new BundleManifest(
                BundleManifest.FORMAT,
                FAMILY,
                "",
                precision,
                importedAt,
                new BundleManifest.Encoder(tower.width()),
                new BundleManifest.Projector(1),
                decoder.section(0, embeddingDtype),
                generation,
                BundleSections.of(preprocessing),
                BundleSections.of(prompt),
                BundleManifest.Checkpoint.UNREMARKABLE,
                chatTemplate);
    }
}
