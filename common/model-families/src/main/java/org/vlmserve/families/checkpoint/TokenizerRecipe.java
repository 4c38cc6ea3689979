package org.vlmserve.families.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * How the reference makes a tokenizer of a checkpoint's files. One class takes {@code tokenizer.json} as it is; every other takes
 * vocabulary, merges and post-processor from it and builds the rest itself, whatever the file says. Which class it is, is decided by
 * {@code AutoTokenizer.from_pretrained} in transformers 5.18's {@code tokenization_auto.py}, from {@code tokenizer_class} in
 * {@code tokenizer_config.json} and {@code config.json}, the {@code model_type}, and {@code auto_map}; what a class builds is in
 * {@code tokenizer-classes.json}.
 *
 * @param className the reference's class
 * @param defaultTokens named tokens of the class where no file names them
 * @param plainSpecialTokens whether the class adds all special tokens once more, without any of their settings
 * @param prefixSpace whether a text gets a space in front where {@code add_prefix_space} is absent; null where that key has no effect
 * @param sections what takes the place of the file's sections; null where the file is taken as it is
 */
record TokenizerRecipe(
        String className,
        Map<String, String> defaultTokens,
        boolean plainSpecialTokens,
        @Nullable Boolean prefixSpace,
        @Nullable ObjectNode sections) {

    private static final String AS_FILE = "TokenizersBackend";
    private static final String FAST = "Fast";
    private static final String CLASS = "tokenizer_class";
    private static final JsonNode CLASSES = classes();

    /**
     * @param config {@code config.json}
     * @param tokenizerConfig {@code tokenizer_config.json}
     * @param modelType by which the reference looks for a class; empty for a model that it does not know
     * @throws VlmException {@code CHECKPOINT_UNSUPPORTED} for a class of the reference that is not built here, or for code of the
     *     checkpoint's own
     */
    static TokenizerRecipe of(CheckpointJson config, @Nullable CheckpointJson tokenizerConfig, String modelType) {
        String registered = CLASSES.path("model_types").path(modelType).asString("");
        boolean overruled = false;
        for (JsonNode each : CLASSES.path("overruled")) {
            overruled |= each.asString().equals(modelType);
        }
        String named = tokenizerConfig == null ? "" : tokenizerConfig.string(CLASS, "");
        String configured = config.string(CLASS, "");
        CheckpointJson said = tokenizerConfig != null && !named.isEmpty() ? tokenizerConfig : config;
        boolean ownCode = tokenizerConfig != null && hasOwnCode(tokenizerConfig);
        String wanted = named.isEmpty() ? configured : named;
        if (!ownCode && !wanted.isEmpty() && !registered.isEmpty() && !isSame(registered, wanted)) {
            String known = registered.equals(AS_FILE) || overruled ? registered : resolve(wanted);
            return known.isEmpty() || known.equals("PythonBackend") ? built(AS_FILE, said) : built(known, said);
        }
        boolean local = !registered.isEmpty() || !resolve(without(named)).isEmpty();
        if (ownCode && !overruled && !local && tokenizerConfig != null) {
            throw tokenizerConfig.unsupported(
                    "auto_map", "a " + CLASS + " that transformers has, as code of a checkpoint is not run");
        }
        if (!named.isEmpty()) {
            String known = resolve(without(named));
            return built(known.isEmpty() || known.equals("PythonBackend") ? AS_FILE : known, said);
        }
        if (!configured.isEmpty()) {
            String known = resolve(configured);
            if (known.isEmpty()) {
                throw config.unsupported(CLASS, supported());
            }
            return built(known, config);
        }
        return built(registered.isEmpty() ? AS_FILE : registered, config);
    }

    /** The class of this name, as the file that is there says or would say. */
    static TokenizerRecipe named(String className, CheckpointJson said) {
        return built(className, said);
    }

    private static boolean hasOwnCode(CheckpointJson tokenizerConfig) {
        JsonNode map = tokenizerConfig.node("auto_map");
        return map.isArray() || map.hasNonNull("AutoTokenizer");
    }

    private static boolean isSame(String one, String other) {
        return without(one).equals(without(other));
    }

    private static String without(String name) {
        return name.endsWith(FAST) ? name.substring(0, name.length() - FAST.length()) : name;
    }

    /** The class that the reference has for a name, or an empty text. */
    static String resolve(String name) {
        String alias = CLASSES.path("aliases").path(name).asString("");
        if (!alias.isEmpty()) {
            return alias;
        }
        if (name.equals(AS_FILE) || CLASSES.path("rebuilt").has(name)) {
            return name;
        }
        for (JsonNode other : CLASSES.path("others")) {
            if (other.asString().equals(name)) {
                return name;
            }
        }
        return name.endsWith(FAST) ? resolve(without(name)) : "";
    }

    private static TokenizerRecipe built(String className, CheckpointJson said) {
        if (className.equals(AS_FILE)) {
            return new TokenizerRecipe(className, Map.of(), false, null, null);
        }
        JsonNode found = CLASSES.path("rebuilt").path(className);
        if (!(found.path("sections") instanceof ObjectNode sections)) {
            throw said.unsupported(CLASS, supported());
        }
        Map<String, String> tokens = new TreeMap<>();
        found.path("tokens")
                .properties()
                .forEach(token -> tokens.put(token.getKey(), token.getValue().asString()));
        return new TokenizerRecipe(
                className,
                tokens,
                found.path("plain_special_tokens").asBoolean(false),
                found.has("prefix_space") ? found.path("prefix_space").asBoolean() : null,
                sections);
    }

    private static String supported() {
        List<String> names = new ArrayList<>();
        names.add(AS_FILE);
        CLASSES.path("rebuilt").properties().forEach(each -> names.add(each.getKey()));
        return String.join(", ", names) + ", or save the tokenizer again with one of them";
    }

    boolean isRebuilt() {
        return sections != null;
    }

    /**
     * Puts the class's own sections into a {@code tokenizer.json}.
     *
     * @param special the checkpoint's named tokens
     */
    void rebuild(ObjectNode json, @Nullable CheckpointJson tokenizerConfig, Map<String, String> special) {
        if (sections == null) {
            return;
        }
        for (String section : List.of("normalizer", "pre_tokenizer", "decoder")) {
            json.set(section, sections.path(section).deepCopy());
        }
        ObjectNode model = (ObjectNode) json.path("model");
        sections.path("model").properties().forEach(setting -> model.set(setting.getKey(), setting.getValue()));
        if (!sections.path("model").path("unk_token").isNull()) {
            model.put("unk_token", special.getOrDefault("unk_token", "None"));
        }
        if (prefixSpace != null) {
            boolean prefix = tokenizerConfig == null
                    ? prefixSpace
                    : tokenizerConfig.booleanValue("add_prefix_space", prefixSpace);
            boolean legacy = tokenizerConfig != null && tokenizerConfig.booleanValue("legacy", false);
            prefix(json, prefix, legacy);
        }
    }

    /** {@code _get_prepend_scheme} in {@code tokenization_utils_base.py}: {@code legacy} puts a space behind special tokens too. */
    private static void prefix(ObjectNode json, boolean prefix, boolean legacy) {
        JsonNode split = json.path("pre_tokenizer");
        if (split instanceof ObjectNode pieces && pieces.path("type").asString().equals("Metaspace")) {
            pieces.put("prepend_scheme", !prefix ? "never" : legacy ? "always" : "first");
            if (!prefix && json.path("decoder") instanceof ObjectNode decoder) {
                decoder.withArray("decoders").remove(decoder.path("decoders").size() - 1);
            }
            return;
        }
        JsonNode last = split.has("pretokenizers")
                ? split.path("pretokenizers").path(split.path("pretokenizers").size() - 1)
                : split;
        ((ObjectNode) last).put("add_prefix_space", prefix);
    }

    private static JsonNode classes() {
        try (InputStream in = TokenizerRecipe.class.getResourceAsStream("tokenizer-classes.json")) {
            if (in == null) {
                throw new IllegalStateException("tokenizer-classes.json is not beside " + TokenizerRecipe.class);
            }
            return JsonMapper.shared().readTree(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
