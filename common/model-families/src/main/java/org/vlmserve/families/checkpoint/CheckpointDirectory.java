package org.vlmserve.families.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.VlmException;

/** What a directory holds that lacks a file of a checkpoint, and what to do about it. */
public final class CheckpointDirectory {

    private static final int SHOWN = 8;

    /** Files that tell what somebody saved here; the first rule that one fits is the most telling. */
    private record Rule(Pattern file, String is) {

        Rule(String file, String is) {
            this(Pattern.compile(file), is);
        }
    }

    private static final List<Rule> RULES = List.of(
            new Rule("bundle\\.json", "a bundle, which is what an import makes; it can be served as it is"),
            new Rule(
                    "model_index\\.json",
                    "a pipeline of diffusers, which makes pictures; import a vision-language model's checkpoint"),
            new Rule(
                    "adapter_config\\.json|adapter_model\\.(safetensors|bin)",
                    "an adapter alone, without its base model; merge it with PEFT's merge_and_unload(), save the result with"
                            + " save_pretrained and import that"),
            new Rule(
                    "non_lora_trainables\\.bin",
                    "an adapter alone, without its base model; merge it with the trainer's script and import the result"),
            new Rule(
                    "mm_projector\\.bin",
                    "a projector alone, without its language model; import the checkpoint of the whole model"),
            new Rule(
                    "zero_to_fp32\\.py|global_step\\d+|.*zero_pp_rank_.*\\.pt|mp_rank_\\d+_model_states\\.pt",
                    "shards of DeepSpeed's optimizer; make weights of them with 'python zero_to_fp32.py . .'"),
            new Rule(
                    ".*\\.distcp|pytorch_model_fsdp_\\d+|\\.metadata",
                    "shards of FSDP; make weights of them with 'accelerate merge-weights' or torch's dcp_to_torch_save"),
            new Rule(
                    ".*\\.gguf",
                    "a GGUF file, as llama.cpp reads; import the checkpoint in safetensors that it was made from"),
            new Rule(
                    "(model|pytorch_model)-\\d+-of-\\d+\\.(safetensors|bin)",
                    "shards without their index; fetch model.safetensors.index.json (or pytorch_model.bin.index.json) too"),
            new Rule(
                    "model\\.[^.]+\\.safetensors|pytorch_model\\.[^.]+\\.bin|(model|pytorch_model)\\.(safetensors|bin)"
                            + "\\.index\\.[^.]+\\.json",
                    "a variant of the weights, which is read only under the plain name; rename it to model.safetensors (or"
                            + " pytorch_model.bin)"),
            new Rule(
                    "consolidated.*\\.(safetensors|pth)|params\\.json",
                    "weights in their maker's own layout; import the checkpoint that was converted for transformers"),
            new Rule(
                    "onnx|openvino_model\\.(xml|bin)|.*\\.(h5|msgpack|npz|tflite|ckpt\\.index|onnx|mlmodel|mlpackage|engine)",
                    "weights for another framework; save the model with PyTorch"),
            new Rule(
                    ".*\\.(incomplete|part|crdownload|aria2|tmp)",
                    "a download that did not finish; fetch the checkpoint again"),
            new Rule(
                    ".*\\.safetensors|.*\\.(bin|pt|pth|ckpt)",
                    "weights under another name than transformers reads; if these are the model's, rename them to"
                            + " model.safetensors (or pytorch_model.bin)"));

    private CheckpointDirectory() {}

    /**
     * Says what is there instead of a file that is missing.
     *
     * @return a clause that begins with "it" and ends with what to do
     */
    public static String explain(Path directory) {
        if (!Files.isDirectory(directory)) {
            return "it is no directory";
        }
        List<Path> entries;
        try (Stream<Path> list = Files.list(directory)) {
            entries = list.sorted().toList();
        } catch (IOException e) {
            return "it cannot be listed: " + e.getMessage();
        }
        for (Path entry : entries) {
            if (Files.isSymbolicLink(entry) && !Files.exists(entry)) {
                return "it holds " + name(entry)
                        + ", a link to a file that is not there; fetch the checkpoint again, or copy it"
                        + " with what its links point to";
            }
        }
        for (Rule rule : RULES) {
            for (Path entry : entries) {
                if (rule.file().matcher(name(entry)).matches()) {
                    return "it holds " + name(entry) + base(directory, entry) + ": " + rule.is();
                }
            }
        }
        List<String> inside = entries.stream()
                .flatMap(entry -> Stream.of(entry, entry.resolve("snapshots")))
                .flatMap(CheckpointDirectory::withConfig)
                .map(found -> directory.relativize(found).toString())
                .limit(SHOWN)
                .toList();
        if (!inside.isEmpty()) {
            return "there are checkpoints in " + String.join(", ", inside) + "; name one of them";
        }
        if (entries.isEmpty()) {
            return "it is empty";
        }
        return "it holds "
                + String.join(
                        ", ",
                        entries.stream()
                                .limit(SHOWN)
                                .map(CheckpointDirectory::name)
                                .toList())
                + (entries.size() > SHOWN ? " and " + (entries.size() - SHOWN) + " more" : "");
    }

    private static Stream<Path> withConfig(Path directory) {
        if (!Files.isDirectory(directory)) {
            return Stream.empty();
        }
        if (Files.exists(directory.resolve("config.json"))) {
            return Stream.of(directory);
        }
        if (!name(directory).equals("snapshots")) {
            return Stream.empty();
        }
        try (Stream<Path> revisions = Files.list(directory)) {
            return revisions
                    .filter(revision -> Files.exists(revision.resolve("config.json")))
                    .sorted()
                    .toList()
                    .stream();
        } catch (IOException e) {
            return Stream.empty();
        }
    }

    /** The model that an adapter says it belongs to. */
    private static String base(Path directory, Path found) {
        Path adapter = directory.resolve("adapter_config.json");
        if (!name(found).startsWith("adapter_") || !Files.isRegularFile(adapter)) {
            return "";
        }
        String base = baseModel(adapter);
        return base == null ? "" : " (for " + base + ")";
    }

    private static @Nullable String baseModel(Path adapter) {
        try {
            CheckpointJson json = CheckpointJson.readIfPresent(adapter);
            return json == null ? null : json.node("base_model_name_or_path").asString(null);
        } catch (VlmException e) {
            return null; // the adapter is named without it
        }
    }

    private static String name(Path entry) {
        return String.valueOf(entry.getFileName());
    }
}
