package org.vlmserve.importer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.json.JsonMapper;

/** What people hand in that is no checkpoint, or not yet: the error names what it is and what to do. */
class RefusedCheckpointTest {

    private static final String SINGLE = "model.safetensors";
    private static final String LFS = """
            version https://git-lfs.github.com/spec/v1
            oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
            size 12345
            """;
    private static final String PAGE = "\n<!DOCTYPE html><html><head><title>Sign in</title></head></html>";

    private final Path directory;
    private final TinyCheckpoint checkpoint;

    RefusedCheckpointTest(@TempDir Path directory) {
        this.directory = directory;
        this.checkpoint = TinyCheckpoint.copy(
                Goldens.find().checkpoint("qwen2_vl", "nested-untied"), directory.resolve("checkpoint"));
    }

    private void write(String name, String text) {
        write(name, text.getBytes(StandardCharsets.ISO_8859_1));
    }

    private void write(String name, byte[] bytes) {
        try {
            Files.createDirectories(checkpoint.file(name).getParent());
            Files.write(checkpoint.file(name), bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void refuses(ErrorCode code, String... parts) {
        refuses(checkpoint.directory(), code, parts);
    }

    private void refuses(Path place, ErrorCode code, String... parts) {
        Path bundle = directory.resolve("bundle");
        assertThatThrownBy(() -> Importer.importCheckpoint(place, bundle, Precision.INT8, ProgressListener.SILENT))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(code))
                .message()
                .contains(parts);
        try (Stream<Path> left = Files.list(directory)) {
            assertThat(left.filter(file -> file.getFileName().toString().startsWith("bundle")))
                    .isEmpty();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                SINGLE,
                "config.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "preprocessor_config.json",
                "generation_config.json",
                "chat_template.jinja"
            })
    void aPointerStandsForNoFile(String name) {
        checkpoint.save();
        write(name, LFS);
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, name, "it is a Git LFS pointer", "'git lfs pull'");
        write(name, "/annex/objects/MD5E-s12345--0123456789abcdef.bin\n");
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, name, "it is a git-annex pointer", "'git annex get'");
        write(name, PAGE);
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, name, "it is an HTML or XML page", "fetch the file again");
        write(name, "");
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, name, "it is empty", "fetch it again");
    }

    @ParameterizedTest
    @ValueSource(strings = {"model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"})
    void aPointerStandsForNoWeights(String name) {
        write(name, LFS);
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, name, "it is a Git LFS pointer", "'git lfs pull'");
        write(name, PAGE);
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, name, "it is an HTML or XML page");
        write(name, "");
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, name, "it is empty");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    model.safetensors | 47475546030000000000000000000000 | a GGUF file
                    pytorch_model.bin | 47475546030000000000000000000000 | a GGUF file
                    model.safetensors | 894844460d0a1a0a0000000000000000 | an HDF5 file
                    model.safetensors | 1f8b0800000000000003000000000000 | a gzip archive; unpack it
                    pytorch_model.bin | fd377a585a0000000000000000000000 | an xz archive; unpack it
                    pytorch_model.bin | 28b52ffd000000000000000000000000 | a Zstandard archive; unpack it
                    model.safetensors | 377abcaf271c00000000000000000000 | a 7z archive; unpack it
                    model.safetensors | 504b0304140000000000000000000000 | name it pytorch_model.bin
                    model.safetensors | 80028a0a6cfc9c46f920680000000000 | name it pytorch_model.bin
                    pytorch_model.bin | 40000000000000007b2261223a207b22 | name it model.safetensors
                    model.safetensors | 456e747279206e6f7420666f756e64   | begins with 'Entry not found'
                    pytorch_model.bin | 456e747279206e6f7420666f756e64   | begins with 'Entry not found'
                    model.safetensors | 7b226572726f72223a226e6f227d0a   | begins with '{"error":"no"}'
                    config.json       | 1f8b0800000000000003000000000000 | a gzip archive; unpack it
                    tokenizer.json    | 504b0304140000000000000000000000 | it is a zip archive
                    """)
    void anotherFormatIsNamed(String name, String hex, String is) {
        if (!name.startsWith("pytorch_model")) {
            checkpoint.save();
        }
        write(name, HexFormat.of().parseHex(hex));
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, name, "it is", is);
    }

    @Test
    void anArchiveOfSomethingElseIsNoTorchFile() throws IOException {
        for (int method : new int[] {ZipEntry.STORED, ZipEntry.DEFLATED}) {
            try (OutputStream out = Files.newOutputStream(checkpoint.file("pytorch_model.bin"));
                    ZipOutputStream zip = new ZipOutputStream(out)) {
                for (String name : List.of("word/document.xml", "[Content_Types].xml")) {
                    ZipEntry entry = new ZipEntry(name);
                    entry.setMethod(method);
                    entry.setSize(0);
                    entry.setCrc(0);
                    zip.putNextEntry(entry);
                }
            }
            refuses(
                    ErrorCode.CHECKPOINT_UNREADABLE,
                    "pytorch_model.bin",
                    "0 entries NAME/data.pkl",
                    "it holds 2 files, word/document.xml");
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    quantization_config  | {"quant_method": "gptq", "bits": 4}      | (gptq)
                    quantization_config  | {"quant_method": "awq", "bits": 4}       | (awq)
                    quantization_config  | {"quant_method": "fp8"}                  | (fp8)
                    quantization_config  | {"load_in_4bit": true}                   | (transformers)
                    quantization         | {"group_size": 64, "bits": 4}            | (MLX)
                    compression_config   | {"format": "pack-quantized"}             | (compressed-tensors)
                    text_config/quantization_config | {"quant_method": "gptq"}      | 'text_config.quantization_config'
                    """)
    void quantisedWeightsAreNamedWithTheirMethod(String key, String value, String names) {
        checkpoint.save().config(config -> {
            String[] steps = key.split("/", -1);
            (steps.length == 1 ? config : config.withObject(steps[0]))
                    .set(steps[steps.length - 1], JsonMapper.shared().readTree(value));
        });
        refuses(
                ErrorCode.CHECKPOINT_UNSUPPORTED,
                key.replace('/', '.') + "'",
                names,
                "bf16, fp16 or fp32",
                "import the checkpoint that they were made from");
    }

    @ParameterizedTest
    @ValueSource(strings = {"I64", "I32", "I16", "I8", "U8", "U32", "BOOL", "F8_E4M3", "F8_E5M2"})
    void aTensorOfAnotherTypeIsNamedAndNotMissing(String type) {
        checkpoint.weights().fill("model.language_model.norm.weight", type, 1);
        checkpoint.save();
        refuses(
                ErrorCode.CHECKPOINT_UNSUPPORTED,
                SINGLE + ": tensor model.language_model.norm.weight is of type " + type,
                "supported: F32, F16, BF16, F64");
    }

    private void renamed(UnaryOperator<String> names) {
        checkpoint.weights().rename(names);
        checkpoint.save();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    base_model.model.    | merge_and_unload()
                    model.base_model.model. | merge_and_unload()
                    module.              | DistributedDataParallel
                    _orig_mod.           | torch.compile
                    module._orig_mod.    | torch.compile
                    _fsdp_wrapped_module. | FSDP
                    student.             | its names begin with 'student.'
                    """)
    void aWrappersPrefixIsNamed(String prefix, String says) {
        renamed(name -> prefix + name);
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "is missing; the checkpoint has " + prefix, says);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    layers.0. | layers.0._orig_mod.                  | torch.compile
                    layers.0. | layers.0._checkpoint_wrapped_module. | activation checkpointing
                    q_proj.   | q_proj.base_layer.                   | merge_and_unload()
                    lm_head.  | lm_head.modules_to_save.default.     | merge_and_unload()
                    """)
    void aWrapperWithinNamesIsNamed(String from, String to, String says) {
        renamed(name -> name.replace(from, to));
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "is missing; the checkpoint has ", to, says);
    }

    @Test
    void quantisedNamesAreNamed() {
        renamed(name -> name.replace("gate_proj.weight", "gate_proj.qweight"));
        refuses(
                ErrorCode.CHECKPOINT_UNREADABLE,
                "gate_proj.weight",
                "is missing",
                "gate_proj.qweight, of quantised weights");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    adapter_model.safetensors           | an adapter alone     | merge_and_unload()
                    non_lora_trainables.bin             | an adapter alone     | merge
                    mm_projector.bin                    | a projector alone    | whole model
                    zero_to_fp32.py                     | DeepSpeed's          | python zero_to_fp32.py
                    global_step100/mp_rank_00_model_states.pt | DeepSpeed's    | python zero_to_fp32.py
                    __0_0.distcp                        | shards of FSDP       | accelerate merge-weights
                    pytorch_model_fsdp_0/__0_0.distcp   | shards of FSDP       | accelerate merge-weights
                    model-Q4_K_M.gguf                   | a GGUF file          | safetensors that it was made from
                    model.fp16.safetensors              | a variant            | rename it to model.safetensors
                    model.safetensors.index.fp16.json   | a variant            | rename it to model.safetensors
                    model-00001-of-00002.safetensors    | shards without their index | model.safetensors.index.json
                    pytorch_model-00001-of-00002.bin    | shards without their index | pytorch_model.bin.index.json
                    consolidated.safetensors            | their maker's own layout | converted for transformers
                    consolidated.00.pth                 | their maker's own layout | converted for transformers
                    tf_model.h5                         | another framework    | save the model with PyTorch
                    onnx/decoder_model_merged.onnx      | another framework    | save the model with PyTorch
                    openvino_model.bin                  | another framework    | save the model with PyTorch
                    bundle.json                         | a bundle             | served as it is
                    model_index.json                    | diffusers            | vision-language
                    flax_model.msgpack                  | another framework    | save the model with PyTorch
                    model.safetensors.incomplete        | did not finish       | fetch the checkpoint again
                    weights.safetensors                 | under another name   | rename
                    training.pt                         | under another name   | rename
                    """)
    void whatIsThereInsteadOfWeightsIsNamed(String file, String is, String todo) {
        write(file, "anything");
        String shown = file.contains("/") ? file.substring(0, file.indexOf('/')) : file;
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "there are no weights", "it holds " + shown, is, todo);
    }

    @Test
    void anAdapterIsNamedWithItsBaseModel() throws IOException {
        write("adapter_config.json", "{\"base_model_name_or_path\": \"some/base\", \"peft_type\": \"LORA\"}");
        write("adapter_model.safetensors", "anything");
        refuses(ErrorCode.CHECKPOINT_UNREADABLE, "there are no weights", "an adapter alone", "(for some/base)");
        Files.delete(checkpoint.file("config.json"));
        refuses(
                ErrorCode.CHECKPOINT_UNREADABLE,
                "config.json: there is no such file",
                "(for some/base)",
                "merge_and_unload()");
    }

    @Test
    void aFileOrAFolderOfCheckpointsIsNoCheckpoint() throws IOException {
        write("x.gguf", "GGUF and more");
        refuses(checkpoint.file("x.gguf"), ErrorCode.CHECKPOINT_UNREADABLE, "is no directory", "it is a GGUF file");
        refuses(checkpoint.file("config.json"), ErrorCode.CHECKPOINT_UNREADABLE, "is no directory");
        refuses(directory, ErrorCode.CHECKPOINT_UNREADABLE, "there are checkpoints in checkpoint; name one of them");
        Path empty = Files.createDirectory(directory.resolve("empty"));
        refuses(empty, ErrorCode.CHECKPOINT_UNREADABLE, "config.json: there is no such file", "it is empty");
    }

    @Test
    void aByteOrderMarkIsNamed() {
        checkpoint.save();
        for (String name :
                List.of("config.json", "generation_config.json", "tokenizer.json", "preprocessor_config.json")) {
            byte[] before = read(name);
            write(name, "\u00ef\u00bb\u00bf" + new String(before, StandardCharsets.ISO_8859_1));
            refuses(ErrorCode.CHECKPOINT_UNREADABLE, name, "byte order mark");
            write(name, before);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"NaN", "Infinity", "-Infinity", "1e400"})
    void aNumberThatIsUsedIsFinite(String number) {
        checkpoint.save();
        Consumer<String> refuse = name -> {
            byte[] before = read(name);
            String text = new String(before, StandardCharsets.UTF_8);
            String changed = name.equals("config.json")
                    ? text.replaceFirst("\"rms_norm_eps\": [0-9e.-]+", "\"rms_norm_eps\": " + number)
                    : "{\"temperature\": " + number + "," + text.strip().substring(1);
            assertThat(changed).isNotEqualTo(text);
            write(name, changed.replace("\"temperature\": 0", "\"other\": 0").getBytes(StandardCharsets.UTF_8));
            refuses(ErrorCode.CHECKPOINT_UNREADABLE, name, "a finite number");
            write(name, before);
        };
        refuse.accept("config.json");
        refuse.accept("generation_config.json");
    }

    private byte[] read(String name) {
        try {
            return Files.readAllBytes(checkpoint.file(name));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
