package org.vlmserve.families;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.families.checkpoint.CheckpointJson;
import org.vlmserve.families.checkpoint.TokenizerFiles;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.jinja.TemplateLimits;
import org.vlmserve.families.llava.LlavaConfig;
import org.vlmserve.families.llava.OriginalConfig;
import org.vlmserve.families.llavanext.LlavaNextConfig;
import org.vlmserve.families.paligemma.PaliGemmaConfig;
import org.vlmserve.families.prompt.ChatTemplate;
import org.vlmserve.families.prompt.HuggingFaceTokenizerFile;
import org.vlmserve.families.prompt.Tokenizer;
import org.vlmserve.families.qwen2vl.Qwen2VlConfig;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import org.vlmserve.testing.fuzz.ByteMutations;
import org.vlmserve.testing.fuzz.FileCorpus;
import org.vlmserve.testing.fuzz.Fuzzer;
import org.vlmserve.testing.fuzz.JsonMutations;
import org.vlmserve.testing.fuzz.Mutation;
import org.vlmserve.testing.fuzz.TextMutations;

/** Whatever stands in a checkpoint's small files, reading them ends, soon, with what they say or with an error that says why not. */
class CheckpointFilesFuzzTest {

    private static final Goldens GOLDENS = Goldens.find();

    /** Text that every tokenizer has to take apart: words, digits, bytes without a token, a special token, spaces. */
    private static final String TEXT = "Two  cats, 4711 dogs\n\u00e9\ud83d\ude00\u4e2d <image></s> <|im_end|>";

    /** Pieces that templates are made of, and pieces that ask for too much. */
    private static final List<String> JINJA = List.of(
            "{{",
            "}}",
            "{%",
            "%}",
            "{%-",
            "-%}",
            "{#",
            "#}",
            "{% raw %}",
            "{% endraw %}",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "|",
            "~",
            "*",
            "**",
            "//",
            "%",
            "'a' * 1000000000",
            "range(1000000000)",
            "[1] * 1000000000",
            "2 ** 10000000",
            "| join('x')",
            "| indent(1000000000)",
            "| replace('', messages | string)",
            "| tojson(indent=1000000000)",
            "| round(1000000000)",
            "| center(1000000000)",
            ".ljust(1000000000)",
            ".zfill(1000000000)",
            "| list",
            "| sort",
            "| unique",
            "| map('upper')",
            "| selectattr('a.b')",
            "{% for i in range(100000) %}",
            "{% for a in messages recursive %}",
            "{% endfor %}",
            "{{ loop(messages) }}",
            "{% macro m(a) %}",
            "{% endmacro %}",
            "{{ m(m) }}",
            "{% call m() %}",
            "{% endcall %}",
            "{% set ns = namespace(x='ab') %}",
            "{% set ns.x = ns.x ~ ns.x %}",
            "{% set ns.x = [ns.x] %}",
            "{% set ns.x = ns %}",
            "{{ ns.x }}",
            "{{ ns == ns }}",
            "{{ {ns.x: 1} }}",
            "{% filter upper %}",
            "{% endfilter %}",
            "{% if messages %}",
            "{% else %}",
            "{% endif %}",
            "is defined",
            "is in",
            "not",
            "in",
            "if",
            "else",
            "messages",
            "loop",
            "loop.cycle()",
            "[::-1]",
            "[9223372036854775807:]",
            ".split('')",
            ".split(' ')",
            "9223372036854775807 + 1",
            "-9223372036854775808",
            "1e308",
            "1e999",
            "strftime_now('%Y')",
            "raise_exception(messages | string)");

    @TempDir
    Path directory;

    @Test
    void configurations() throws IOException {
        List<Path> files = new ArrayList<>();
        for (GoldenCheckpoint golden : GOLDENS.checkpoints()) {
            Path copy =
                    Files.createDirectories(directory.resolve(golden.family()).resolve(golden.name()));
            files.addAll(copyOfSmallFiles(golden.directory(), copy));
            if (golden.visionTower() != null) {
                files.addAll(copyOfSmallFiles(golden.visionTower(), Files.createDirectory(copy.resolve("tower"))));
            }
        }
        FileCorpus corpus = new FileCorpus(files);
        Fuzzer.of("checkpoint-files", ErrorCode.CHECKPOINT_UNREADABLE, ErrorCode.CHECKPOINT_UNSUPPORTED)
                .from(corpus.inputs())
                .by(corpus.mutations(CheckpointFilesFuzzTest::ofFile))
                .oneIn(4)
                .run(corpus.reader(this::configuration));
    }

    /** JSON is changed as JSON most of the time, since nothing of a file that is none is looked at. */
    private static List<Mutation> ofFile(Path file) {
        List<Mutation> mutations = new ArrayList<>(TextMutations.all());
        if (file.toString().endsWith(".json")) {
            for (int i = 0; i < 3; i++) {
                mutations.addAll(JsonMutations.all());
            }
        } else {
            mutations.addAll(ByteMutations.all());
        }
        return mutations;
    }

    private void configuration(Path folder) {
        Path checkpoint = folder.endsWith("tower") ? Objects.requireNonNull(folder.getParent()) : folder;
        Path tower = checkpoint.resolve("tower");
        switch (directory.relativize(checkpoint).getName(0).toString()) {
            case "qwen2_vl" -> Qwen2VlConfig.read(checkpoint, null, new Warnings());
            case "llava" -> LlavaConfig.read(checkpoint, null, new Warnings());
            case "llava_llama" ->
                OriginalConfig.read(checkpoint, Files.exists(tower) ? tower : null, null, new Warnings());
            case "llava_next" -> LlavaNextConfig.read(checkpoint, null, new Warnings());
            case "paligemma" -> PaliGemmaConfig.read(checkpoint, new Warnings());
            default -> throw new IllegalStateException("a family of goldens without a reader: " + checkpoint);
        }
    }

    private static List<Path> copyOfSmallFiles(Path from, Path to) throws IOException {
        List<Path> copies = new ArrayList<>();
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                if (!file.toString().endsWith(".safetensors")
                        && !file.toString().endsWith(".bin")) {
                    copies.add(Files.copy(file, to.resolve(file.getFileName())));
                }
            }
        }
        return copies;
    }

    @Test
    void tokenizers() throws IOException {
        List<byte[]> corpus = new ArrayList<>();
        for (GoldenCheckpoint golden : GOLDENS.checkpoints()) {
            Path file = golden.directory().resolve("tokenizer.json");
            if (Files.exists(file)) {
                corpus.add(Files.readAllBytes(file));
            }
        }
        Path file = directory.resolve("tokenizer.json");
        Fuzzer.of("tokenizer-json", ErrorCode.BUNDLE_CORRUPT, ErrorCode.PROMPT_UNSUPPORTED)
                .from(corpus)
                .by(TextMutations.all())
                .by(JsonMutations.all())
                .by(JsonMutations.all())
                .by(JsonMutations.all())
                .oneIn(4)
                .run(input -> {
                    Files.write(file, input);
                    use(new HuggingFaceTokenizerFile(file, HuggingFaceTokenizerFile.read(file)));
                });
    }

    private static void use(Tokenizer tokenizer) {
        Tokenizer.IncrementalDecoder decoder = tokenizer.incrementalDecoder();
        for (int id : tokenizer.encode(TEXT)) {
            decoder.next(id);
        }
        decoder.finish();
    }

    @Test
    void sentencePieceModels() throws IOException {
        List<Path> files = new ArrayList<>();
        for (String name : List.of("added-tokens", "alone", "decoder", "extra", "legacy", "symbols")) {
            files.addAll(copyOfSmallFiles(
                    GOLDENS.file("sentencepiece/" + name), Files.createDirectory(directory.resolve(name))));
        }
        FileCorpus corpus = new FileCorpus(files);
        Path empty = Files.writeString(directory.resolve("config.json"), "{}");
        CheckpointJson config = CheckpointJson.read(empty);
        Fuzzer.of(
                        "sentencepiece",
                        ErrorCode.CHECKPOINT_UNREADABLE,
                        ErrorCode.CHECKPOINT_UNSUPPORTED,
                        ErrorCode.BUNDLE_CORRUPT)
                .from(corpus.inputs())
                .by(corpus.mutations(CheckpointFilesFuzzTest::ofFile))
                .oneIn(4)
                .run(corpus.reader(folder -> use(new HuggingFaceTokenizerFile(
                        folder.resolve(TokenizerFiles.SENTENCE_PIECE),
                        TokenizerFiles.convert(folder, config, Integer.MAX_VALUE, List.of(), new Warnings())
                                .tokenizer()))));
    }

    @Test
    void chatTemplates() {
        List<byte[]> corpus = new ArrayList<>();
        Stream.concat(GOLDENS.chatRenderings().stream(), GOLDENS.pieceRenderings().stream())
                .map(Goldens.Rendering::template)
                .distinct()
                .forEach(template -> corpus.add(template.getBytes(StandardCharsets.UTF_8)));
        Goldens.Rendering conversation = GOLDENS.chatRenderings().getFirst();
        Fuzzer.of("chat-templates", ErrorCode.BUNDLE_CORRUPT, ErrorCode.PROMPT_UNSUPPORTED)
                .from(corpus)
                .by(TextMutations.of(JINJA))
                .by(TextMutations.of(JINJA))
                .by(ByteMutations.all())
                // What a rendering may make, twice over, as its characters have two bytes and its buffers grow.
                .memory(8 * TemplateLimits.DEFAULT.made(), 256)
                .oneIn(2)
                .run(input -> new ChatTemplate(
                                new String(input, StandardCharsets.UTF_8),
                                Map.of("bos_token", "<s>", "eos_token", "</s>"))
                        .render(
                                Goldens.plainList(conversation.messages()),
                                Goldens.plainMap(conversation.arguments())));
    }
}
