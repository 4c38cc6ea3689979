package org.vlmserve.families.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.GenerationDefaults.Effect;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.Goldens;

class GenerationDefaultsTest {

    private static final Map<String, Effect> STATES =
            Map.of("obeyed", Effect.OBEYED, "warned", Effect.WARNED, "without effect", Effect.NONE);

    private final Warnings warnings = new Warnings();

    @TempDir
    private Path directory;

    private BundleManifest.Generation read(String generation) throws IOException {
        Files.writeString(directory.resolve("config.json"), "{}");
        Files.writeString(directory.resolve("generation_config.json"), generation);
        return GenerationDefaults.read(directory, List.of(2), warnings);
    }

    @Test
    void theDocumentHasEveryKeyOfTheReference() throws IOException {
        Map<String, Effect> written = new TreeMap<>();
        Path document = Goldens.find().root().resolveSibling("docs").resolve("generation.md");
        for (String line : Files.readAllLines(document)) {
            String[] cells = line.split("\\|", -1);
            if (line.startsWith("| `") && cells.length == 5) {
                Effect state = STATES.get(cells[2].strip());
                assertThat(state).as(line).isNotNull();
                written.put(cells[1].strip().replace("`", ""), state);
            }
        }
        assertThat(written).isEqualTo(GenerationDefaults.effects());
        TreeSet<String> reference = new TreeSet<>();
        Goldens.find().json("generation/keys.json").forEach(key -> reference.add(key.asString()));
        assertThat(written.keySet()).isEqualTo(reference);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "num_beams; 4; 1",
                "num_return_sequences; 2; 1",
                "typical_p; 0.9; 1.0",
                "guidance_scale; 1.5; 1",
                "encoder_repetition_penalty; 1.2; 1.0",
                "encoder_no_repeat_ngram_size; 3; 0",
                "epsilon_cutoff; 3e-4; 0.0",
                "eta_cutoff; 3e-4; 0.0",
                "top_h; 0.4; null",
                "exponential_decay_length_penalty; [5, 1.1]; null",
                "penalty_alpha; 0.6; 0",
                "dola_layers; \"high\"; null",
                "constraints; [1]; []",
                "force_words_ids; [[1]]; null",
                "watermarking_config; {\"bias\": 2}; null",
                "stop_strings; [\"x\"]; []",
                "stop_strings; \"x\"; \"\"",
                "token_healing; true; false",
                "remove_invalid_values; true; false",
                "max_time; 3.5; null"
            })
    void whatIsNotDoneIsToldUnlessItChangesNothing(String key, String value, String neutral) throws IOException {
        read("{\"" + key + "\": " + neutral + "}");
        assertThat(warnings.list()).isEmpty();
        read("{\"" + key + "\": " + value + "}");
        assertThat(warnings.list())
                .singleElement()
                .asString()
                .startsWith("generation_config.json: '" + key + "' is ")
                .contains("this is not done here");
    }

    @Test
    void theDefaultsOfTheReferenceWarnOfNothing() throws IOException {
        read("""
                {"_from_model_config": true, "max_length": 20, "min_length": 0, "do_sample": false, "use_cache": true,
                 "early_stopping": false, "num_beams": 1, "temperature": 1.0, "top_k": 50, "top_p": 1.0, "typical_p": 1.0,
                 "repetition_penalty": 1.0, "length_penalty": 1.0, "no_repeat_ngram_size": 0, "encoder_no_repeat_ngram_size": 0,
                 "bad_words_ids": null, "num_return_sequences": 1, "output_scores": false, "return_dict_in_generate": false,
                 "forced_bos_token_id": null, "forced_eos_token_id": null, "remove_invalid_values": false,
                 "exponential_decay_length_penalty": null, "suppress_tokens": null, "begin_suppress_tokens": null,
                 "epsilon_cutoff": 0.0, "eta_cutoff": 0.0, "encoder_repetition_penalty": 1.0, "num_assistant_tokens": 20,
                 "num_assistant_tokens_schedule": "constant", "assistant_confidence_threshold": 0.4, "num_beam_groups": 1,
                 "diversity_penalty": 0.0, "guidance_scale": 1, "renormalize_logits": true, "transformers_version": "4.37.0"}""");
        assertThat(warnings.list()).isEmpty();
    }

    @Test
    void aKeyThatNobodyKnowsIsTold() throws IOException {
        read("{\"chat_format\": \"chatml\", \"other\": null}");
        assertThat(warnings.list())
                .containsExactly(
                        "generation_config.json: 'chat_format' is no key that is known here; it has no effect");
    }

    @Test
    void withoutTheFileConfigJsonCounts() throws IOException {
        Files.writeString(
                directory.resolve("config.json"),
                "{\"hidden_size\": 8, \"temperature\": 0.5, \"do_sample\": true, \"num_beams\": 3, \"text_config\":"
                        + " {\"temperature\": 0.7, \"top_p\": 0.9, \"typical_p\": 0.5}}");
        BundleManifest.Generation read = GenerationDefaults.read(directory, List.of(2), warnings);
        assertThat(read.sample()).isTrue();
        assertThat(read.temperature()).isEqualTo(0.5);
        assertThat(read.topP()).isEqualTo(0.9);
        assertThat(warnings.list())
                .satisfiesExactly(
                        first -> assertThat(first).startsWith("config.json: 'num_beams' is 3;"),
                        second -> assertThat(second).startsWith("config.json, text_config: 'typical_p' is 0.5;"));
        Files.writeString(directory.resolve("generation_config.json"), "{}");
        assertThat(GenerationDefaults.read(directory, List.of(2), new Warnings()))
                .isEqualTo(new BundleManifest.Generation(List.of(2), false, null, null, null, null, null));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "max_new_tokens; 0",
                "max_length; -1",
                "min_new_tokens; -1",
                "min_length; 1.5",
                "no_repeat_ngram_size; \"2\"",
                "suppress_tokens; [\"a\"]",
                "begin_suppress_tokens; {}",
                "bad_words_ids; [7]",
                "bad_words_ids; [[]]",
                "bad_words_ids; [[-1]]",
                "bad_words_ids; 7",
                "sequence_bias; [[7, 1.0]]",
                "sequence_bias; [[[7]]]",
                "sequence_bias; {\"(7,)\": 1.0}",
                "forced_bos_token_id; true",
                "forced_eos_token_id; \"x\""
            })
    void whatCannotBeMeantIsRefused(String key, String value) {
        assertThatThrownBy(() -> read("{\"" + key + "\": " + value + "}"))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNREADABLE))
                .hasMessageContaining("'" + key + "' is ");
    }
}
