package org.vlmserve.families.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.BundleManifest;
import tools.jackson.databind.JsonNode;

/**
 * What {@code generation_config.json} says about how answers are made: each key is obeyed, or named in a warning, or has no effect
 * on an answer. A checkpoint without that file may have the keys in {@code config.json}, or in its {@code text_config}, as
 * {@code GenerationConfig.from_model_config} of transformers 5.18 reads them; beside the file they have no effect there.
 */
public final class GenerationDefaults {

    /** What becomes of a key. */
    enum Effect {
        OBEYED,
        /** Named in a warning of the import, unless its value is one that changes nothing. */
        WARNED,
        /** Says how the reference computes or what it hands out, not what the answer is. */
        NONE
    }

    /** @param neutral the number with which a key that is warned of changes nothing; so do null, false and what is empty */
    private record Key(Effect effect, double neutral) {}

    private static final Map<String, Key> KEYS = keys();

    private GenerationDefaults() {}

    private static Map<String, Key> keys() {
        Map<String, Key> keys = new TreeMap<>();
        for (String obeyed : List.of(
                "do_sample",
                "temperature",
                "top_k",
                "top_p",
                "min_p",
                "repetition_penalty",
                "eos_token_id",
                "max_new_tokens",
                "max_length",
                "min_new_tokens",
                "min_length",
                "no_repeat_ngram_size",
                "suppress_tokens",
                "begin_suppress_tokens",
                "bad_words_ids",
                "sequence_bias",
                "forced_bos_token_id",
                "forced_eos_token_id")) {
            keys.put(obeyed, new Key(Effect.OBEYED, 0));
        }
        for (String one : List.of(
                "num_beams", "num_return_sequences", "typical_p", "guidance_scale", "encoder_repetition_penalty")) {
            keys.put(one, new Key(Effect.WARNED, 1));
        }
        for (String zero : List.of(
                "epsilon_cutoff",
                "eta_cutoff",
                "top_h",
                "encoder_no_repeat_ngram_size",
                "exponential_decay_length_penalty",
                "penalty_alpha",
                "dola_layers",
                "constraints",
                "force_words_ids",
                "watermarking_config",
                "stop_strings",
                "token_healing",
                "remove_invalid_values",
                "max_time")) {
            keys.put(zero, new Key(Effect.WARNED, 0));
        }
        for (String without : List.of(
                "renormalize_logits",
                "num_beam_groups",
                "diversity_penalty",
                "length_penalty",
                "early_stopping",
                "low_memory",
                "use_cache",
                "cache_implementation",
                "cache_config",
                "max_cache_len",
                "prefill_chunk_size",
                "continuous_batching_config",
                "compile_config",
                "disable_compile",
                "use_mtp",
                "speculation_type",
                "is_assistant",
                "num_assistant_tokens",
                "num_assistant_tokens_schedule",
                "assistant_confidence_threshold",
                "assistant_early_exit",
                "assistant_lookbehind",
                "assistant_ensemble_weight",
                "target_lookbehind",
                "prompt_lookup_num_tokens",
                "max_matching_ngram_size",
                "output_attentions",
                "output_hidden_states",
                "output_scores",
                "output_logits",
                "return_dict_in_generate",
                "pad_token_id",
                "bos_token_id",
                "decoder_start_token_id",
                "transformers_version")) {
            keys.put(without, new Key(Effect.NONE, 0));
        }
        return keys;
    }

    /** Every key that is known, with what becomes of it. */
    static Map<String, Effect> effects() {
        Map<String, Effect> effects = new TreeMap<>();
        KEYS.forEach((name, key) -> effects.put(name, key.effect()));
        return effects;
    }

    /**
     * @param configured end tokens by {@code config.json}, for a checkpoint whose generation config names none
     * @param warnings is told of what the file asks for and the suite does not do
     */
    public static BundleManifest.Generation read(Path checkpoint, List<Integer> configured, Warnings warnings) {
        CheckpointJson file = CheckpointJson.readIfPresent(checkpoint.resolve("generation_config.json"));
        if (file != null) {
            warn("generation_config.json", file, true, warnings);
            return read(List.of(file), configured);
        }
        CheckpointJson config = CheckpointJson.read(checkpoint.resolve("config.json"));
        CheckpointJson text = config.object("text_config");
        warn("config.json", config, false, warnings);
        warn("config.json, text_config", text, false, warnings);
        return read(List.of(config, text), configured);
    }

    /** @param all whether the file is about generation alone, so that a key which is not known is worth a warning */
    private static void warn(String place, CheckpointJson json, boolean all, Warnings warnings) {
        for (String name : json.keys()) {
            Key key = KEYS.get(name);
            if (key == null && all && !name.startsWith("_") && json.has(name)) {
                warnings.add(place + ": '" + name + "' is no key that is known here; it has no effect");
            } else if (key != null && key.effect() == Effect.WARNED && !isNeutral(json.node(name), key.neutral())) {
                warnings.add(place + ": '" + name + "' is " + json.node(name)
                        + "; this is not done here, so that answers may differ from the reference's");
            }
        }
    }

    private static boolean isNeutral(JsonNode value, double neutral) {
        return value.isNull()
                || (value.isBoolean() && !value.booleanValue())
                || (value.isContainer() && value.isEmpty())
                || (value.isString() && value.stringValue().isEmpty())
                || (value.isNumber() && value.doubleValue() == neutral);
    }

    /** @param places objects that may have a key; the first that does counts */
    private static BundleManifest.Generation read(List<CheckpointJson> places, List<Integer> configured) {
        return new BundleManifest.Generation(
                place(places, "eos_token_id").intOrInts("eos_token_id", configured),
                place(places, "do_sample").booleanValue("do_sample", false),
                place(places, "temperature").optionalDouble("temperature"),
                place(places, "top_p").optionalDouble("top_p"),
                place(places, "top_k").optionalInt("top_k"),
                place(places, "min_p").optionalDouble("min_p"),
                place(places, "repetition_penalty").optionalDouble("repetition_penalty"),
                new BundleManifest.Length(
                        count(places, "max_new_tokens", 1),
                        count(places, "max_length", 1),
                        count(places, "min_new_tokens", 0),
                        count(places, "min_length", 0)),
                constraints(places));
    }

    private static BundleManifest.Constraints constraints(List<CheckpointJson> places) {
        Integer ngram = count(places, "no_repeat_ngram_size", 0);
        List<List<Integer>> badWords = new ArrayList<>();
        CheckpointJson bad = place(places, "bad_words_ids");
        for (JsonNode word : list(bad, "bad_words_ids")) {
            badWords.add(tokens(bad, "bad_words_ids", word));
        }
        // A run that stands twice has the last bias.
        Map<List<Integer>, BundleManifest.SequenceBias> biases = new LinkedHashMap<>();
        CheckpointJson biased = place(places, "sequence_bias");
        for (JsonNode pair : list(biased, "sequence_bias")) {
            if (!pair.isArray() || pair.size() != 2 || !pair.path(1).isNumber()) {
                throw biased.unreadable("sequence_bias", "a list of pairs, token ids and a number");
            }
            List<Integer> run = tokens(biased, "sequence_bias", pair.path(0));
            biases.put(
                    run, new BundleManifest.SequenceBias(run, pair.path(1).doubleValue()));
        }
        return new BundleManifest.Constraints(
                ngram == null ? 0 : ngram,
                place(places, "suppress_tokens").intOrInts("suppress_tokens", List.of()),
                place(places, "begin_suppress_tokens").intOrInts("begin_suppress_tokens", List.of()),
                List.copyOf(badWords),
                List.copyOf(biases.values()),
                place(places, "forced_bos_token_id").optionalInt("forced_bos_token_id"),
                place(places, "forced_eos_token_id").intOrInts("forced_eos_token_id", List.of()));
    }

    private static CheckpointJson place(List<CheckpointJson> places, String key) {
        return places.stream().filter(place -> place.has(key)).findFirst().orElse(places.getFirst());
    }

    private static @Nullable Integer count(List<CheckpointJson> places, String key, int least) {
        CheckpointJson place = place(places, key);
        Integer value = place.optionalInt(key);
        if (value != null && value < least) {
            throw place.unreadable(key, "a number of at least " + least);
        }
        return value;
    }

    private static JsonNode list(CheckpointJson json, String key) {
        if (json.has(key) && !json.node(key).isArray()) {
            throw json.unreadable(key, "a list");
        }
        return json.node(key);
    }

    private static List<Integer> tokens(CheckpointJson json, String key, JsonNode ids) {
        List<Integer> found = new ArrayList<>();
        for (JsonNode id : ids) {
            if (!id.isInt() || id.intValue() < 0) {
                throw json.unreadable(key, "lists of token ids");
            }
            found.add(id.intValue());
        }
        if (!ids.isArray() || found.isEmpty()) {
            throw json.unreadable(key, "lists of at least one token id");
        }
        return List.copyOf(found);
    }
}
