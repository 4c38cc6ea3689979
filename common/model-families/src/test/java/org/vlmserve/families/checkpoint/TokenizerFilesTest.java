package org.vlmserve.families.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.families.prompt.HuggingFaceTokenizerFile;
import org.vlmserve.families.prompt.Tokenizer;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** The tokenizer that the reference's AutoTokenizer makes of a checkpoint, for each family and many classes. */
class TokenizerFilesTest {

    private static final int MANY = 1 << 20;
    private static final Set<String> BUILT =
            Set.of("TokenizersBackend", "Qwen2Tokenizer", "GPT2Tokenizer", "LlamaTokenizer", "GemmaTokenizer");
    private static final Pattern PLACES = Pattern.compile("<(loc\\d{4}|seg\\d{3})>");
    private static final Pattern LISTED = Pattern.compile("<(loc\\d*[1-9]|seg\\d*[1-9]).*");

    private final Goldens goldens = Goldens.find();
    private final JsonNode golden = goldens.json("tokenizers/cases.json");
    private final Warnings warnings = new Warnings();

    @TempDir
    private Path directory;

    @TestFactory
    Stream<DynamicTest> theReferencesTokenizer() {
        return golden.path("cases")
                .valueStream()
                .map(each -> DynamicTest.dynamicTest(each.path("name").asString(), () -> check(each)));
    }

    private void check(JsonNode golden) throws IOException {
        JsonNode expected =
                this.golden.path("results").path(golden.path("result").asInt());
        ObjectNode file = base(golden.path("base").asString());
        golden.path("sections").properties().forEach(section -> file.set(section.getKey(), section.getValue()));
        if (golden.has("drop_added")) {
            Pattern dropped = Pattern.compile(golden.path("drop_added").asString());
            file.withArray("added_tokens")
                    .removeIf(token ->
                            dropped.matcher(token.path("content").asString()).lookingAt());
        }
        write("tokenizer.json", file);
        ObjectNode config = object().put("model_type", golden.path("model_type").asString());
        golden.path("config").properties().forEach(key -> config.set(key.getKey(), key.getValue()));
        write("config.json", config);
        Files.deleteIfExists(directory.resolve("tokenizer_config.json"));
        if (!golden.path("settings").isNull()) {
            ObjectNode settings = settings(golden.path("base").asString());
            golden.path("settings").path("drop").forEach(key -> settings.remove(key.asString()));
            golden.path("settings").path("set").properties().forEach(key -> settings.set(key.getKey(), key.getValue()));
            write("tokenizer_config.json", settings);
        }
        for (String name : List.of("special_tokens_map.json", "added_tokens.json")) {
            Files.deleteIfExists(directory.resolve(name));
            if (golden.path("files").has(name)) {
                write(name, golden.path("files").path(name));
            }
        }
        String modelType = golden.path("model_type").asString();
        boolean known = !modelType.equals("llava_llama");
        boolean places = modelType.equals("paligemma");
        if (expected.has("error")) {
            assertThatThrownBy(() -> read(known ? modelType : "", places)).isInstanceOf(VlmException.class);
            return;
        }
        if (!BUILT.contains(expected.path("class").asString())) {
            assertThatThrownBy(() -> read(known ? modelType : "", places))
                    .isInstanceOfSatisfying(
                            VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNSUPPORTED))
                    .hasMessageContaining("'tokenizer_class' is \""
                            + golden.path("settings")
                                    .path("set")
                                    .path("tokenizer_class")
                                    .asString());
            return;
        }
        TokenizerFiles made = read(known ? modelType : "", places);
        assertThat(added(made)).isEqualTo(added(expected));
        Map<String, String> special = new TreeMap<>();
        expected.path("special_tokens")
                .properties()
                .forEach(name -> special.put(name.getKey(), name.getValue().asString()));
        assertThat(made.special()).isEqualTo(special);
        Tokenizer tokenizer = new HuggingFaceTokenizerFile(directory, made.tokenizer());
        for (int i = 0; i < this.golden.path("texts").size(); i++) {
            String text = this.golden.path("texts").path(i).asString();
            IntStream encoded = IntStream.of(tokenizer.encode(text));
            // The processor of this family takes away what a tokenizer puts around a text.
            IntStream ids = places
                    ? encoded
                    : IntStream.concat(IntStream.concat(stream(made.before()), encoded), stream(made.after()));
            assertThat(ids.toArray())
                    .as(text)
                    .isEqualTo(expected.path("ids")
                            .path(i)
                            .valueStream()
                            .mapToInt(JsonNode::asInt)
                            .toArray());
            Tokenizer.IncrementalDecoder decoder = tokenizer.incrementalDecoder();
            StringBuilder decoded = new StringBuilder();
            expected.path("ids").path(i).forEach(id -> decoded.append(decoder.next(id.asInt())));
            assertThat(decoded.append(decoder.finish()).toString())
                    .isEqualTo(expected.path("decoded").path(i).asString());
        }
    }

    private static IntStream stream(List<Integer> ids) {
        return ids.stream().mapToInt(Integer::intValue);
    }

    /** As the golden has them: id, text and the first letters of what is set; the many alike are left out. */
    private static List<List<String>> added(JsonNode expected) {
        List<List<String>> found = new ArrayList<>();
        for (JsonNode token : expected.path("added_tokens")) {
            found.add(List.of(
                    token.path(0).asString(),
                    token.path(1).asString(),
                    token.path(2).asString()));
        }
        return found;
    }

    private static List<List<String>> added(TokenizerFiles made) {
        List<List<String>> found = new ArrayList<>();
        for (JsonNode token : made.tokenizer().path("added_tokens")) {
            StringBuilder set = new StringBuilder();
            List<String> flags = List.of("single_word", "lstrip", "rstrip", "normalized", "special");
            for (int i = 0; i < flags.size(); i++) {
                set.append(token.path(flags.get(i)).asBoolean() ? "wlrns".substring(i, i + 1) : "");
            }
            String content = token.path("content").asString();
            if (!LISTED.matcher(content).matches()) {
                found.add(List.of(token.path("id").asString(), content, set.toString()));
            }
        }
        return found;
    }

    /** Each name that the reference knows is resolved as it does, so that none is taken for an unknown one. */
    @Test
    void classesAreTheReferences() {
        for (Map.Entry<String, JsonNode> name :
                goldens.json("tokenizers/classes.json").properties()) {
            String resolved = TokenizerRecipe.resolve(name.getKey());
            String expected = name.getValue().asString();
            assertThat(resolved + "Fast").as(name.getKey()).startsWith(expected.replaceFirst("Fast$", "") + "Fast");
        }
        assertThat(TokenizerRecipe.resolve("OurOwnTokenizer")).isEmpty();
    }

    @Test
    void aTokenWithoutARowIsReadAsTextAndTold() throws IOException {
        checkpoint("bytes", object -> object.withArray("extra_special_tokens").add("<new>"));
        TokenizerFiles made = TokenizerFiles.read(directory, config(), "qwen2_vl", 482, List.of(), warnings);
        Tokenizer tokenizer = new HuggingFaceTokenizerFile(directory, made.tokenizer());
        assertThat(IntStream.of(tokenizer.encode("a<new>b"))).allMatch(id -> id < 476);
        assertThat(warnings.list())
                .containsExactly("tokenizer.json: 1 added tokens have no row in the embedding table of 482, such as"
                        + " '<new>'; in a prompt they are read as any other text");
    }

    @Test
    void whatIsNotBuiltIsRefusedByName() throws IOException {
        checkpoint("bytes", settings -> settings.put("split_special_tokens", true));
        refuses("split_special_tokens");
        checkpoint(
                "bytes", settings -> settings.withArray("fast_tokenizer_files").add("tokenizer.4.0.json"));
        refuses("fast_tokenizer_files");
        checkpoint("bytes", settings -> {});
        write("tokenizer.json", base("bytes").set("model", object().put("type", "Unigram")));
        refuses("'model.type' is \"Unigram\"; supported: BPE");
        write("tokenizer.json", base("bytes").set("decoder", object().put("type", "WordPiece")));
        write("tokenizer_config.json", settings("bytes").put("tokenizer_class", "TokenizersBackend"));
        refuses("decoder is {\"type\":\"WordPiece\"}");
        write("tokenizer.json", base("bytes").set("normalizer", object().put("type", "Unheard")));
        refuses("cannot be loaded");
        write("tokenizer.json", base("bytes").set("post_processor", object().put("type", "Unheard")));
        refuses("post_processor");
    }

    private void refuses(String part) {
        assertThatThrownBy(() -> read("qwen2_vl", false))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNSUPPORTED))
                .hasMessageContaining(part);
    }

    private interface Change {
        void change(ObjectNode settings);
    }

    private void checkpoint(String base, Change change) throws IOException {
        write("tokenizer.json", base(base));
        write("config.json", object());
        ObjectNode settings = settings(base);
        settings.remove("additional_special_tokens");
        change.change(settings);
        write("tokenizer_config.json", settings);
    }

    private TokenizerFiles read(String modelType, boolean places) {
        List<AddedToken> processors = new ArrayList<>();
        if (places) {
            processors.add(AddedToken.special("<image>"));
            for (JsonNode token : base("gemma").path("added_tokens")) {
                if (PLACES.matcher(token.path("content").asString()).matches()) {
                    processors.add(AddedToken.plain(token.path("content").asString()));
                }
            }
        }
        return TokenizerFiles.read(directory, config(), modelType, MANY, processors, warnings);
    }

    private CheckpointJson config() {
        return CheckpointJson.read(directory.resolve("config.json"));
    }

    private ObjectNode base(String name) {
        return (ObjectNode) goldens.json("tokenizers/" + name + ".json");
    }

    private ObjectNode settings(String base) {
        return (ObjectNode) golden.path("settings").path(base).deepCopy();
    }

    private static ObjectNode object() {
        return JsonMapper.shared().createObjectNode();
    }

    private void write(String name, JsonNode content) throws IOException {
        Files.write(directory.resolve(name), JsonMapper.shared().writeValueAsBytes(content));
    }
}
