package org.vlmserve.families.bundle;

import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Reads {@code bundle.json} and says exactly which field is wrong where one is. */
public final class BundleReader {

    private static final JsonMapper JSON = JsonMapper.shared();
    private static final Set<String> PRECISIONS = Set.of("fp32", "int8", "int4");

    private BundleReader() {}

    /**
     * @param directory the bundle's own directory, which holds {@code bundle.json}
     * @throws VlmException {@code BUNDLE_CORRUPT}, naming file and field
     */
    public static Bundle read(Path directory) {
        Path file = directory.resolve(Bundle.MANIFEST);
        if (!Files.isRegularFile(file)) {
            throw corrupt(file, "there is no such file; expected the output directory of an import", null);
        }
        try {
            return new Bundle(directory, parse(file, Files.readAllBytes(file)));
        } catch (IOException e) {
            throw corrupt(file, "cannot be read: " + e, e);
        }
    }

    private static BundleManifest parse(Path file, byte[] json) {
        JsonNode tree;
        try {
            tree = JSON.readTree(json);
        } catch (JacksonException e) {
            throw corrupt(file, "is no JSON: " + e.getOriginalMessage(), e);
        }
        // The version comes first: a later layout may lack fields that this one requires.
        JsonNode format = tree.path("format");
        if (!format.isInt()) {
            throw corrupt(
                    file, "field 'format' is " + format + "; expected a number, is this a bundle's manifest?", null);
        }
        if (format.intValue() != BundleManifest.FORMAT) {
            throw corrupt(
                    file,
                    "field 'format' is " + format.intValue() + "; this version reads " + BundleManifest.FORMAT
                            + ", import the checkpoint again",
                    null);
        }
        requireFields(file, "", BundleManifest.class, tree);
        BundleManifest manifest;
        try {
            manifest = JSON.treeToValue(tree, BundleManifest.class);
        } catch (JacksonException e) {
            String field = e.getPath().stream()
                    .map(step -> step.getPropertyName() == null ? "[" + step.getIndex() + "]" : step.getPropertyName())
                    .collect(Collectors.joining("."));
            throw corrupt(file, "field '" + field + "': " + e.getOriginalMessage(), e);
        }
        validate(file, manifest);
        return manifest;
    }

    /** Every component that may not be null must be there: Jackson alone would fill a missing number with zero. */
    private static void requireFields(Path file, String prefix, Class<?> type, JsonNode node) {
        if (!node.isObject()) {
            throw corrupt(file, "field '" + prefix + "' is " + node.getNodeType() + "; expected an object", null);
        }
        for (RecordComponent component : type.getRecordComponents()) {
            String name = prefix.isEmpty() ? component.getName() : prefix + "." + component.getName();
            JsonNode value = node.path(component.getName());
            if (value.isMissingNode() || value.isNull()) {
                if (!component.getAnnotatedType().isAnnotationPresent(Nullable.class)) {
                    throw corrupt(file, "field '" + name + "' is missing", null);
                }
            } else if (component.getType().isRecord()) {
                requireFields(file, name, component.getType(), value);
            }
        }
    }

    private static void validate(Path file, BundleManifest manifest) {
        check(
                file,
                "revision",
                manifest.revision(),
                manifest.revision().matches("[0-9a-f]{12}"),
                "12 hexadecimal digits");
        check(file, "precision", manifest.precision(), PRECISIONS.contains(manifest.precision()), "fp32, int8 or int4");
        positive(file, "encoder.featureWidth", manifest.encoder().featureWidth());
        positive(file, "projector.rowGroup", manifest.projector().rowGroup());
        BundleManifest.Decoder decoder = manifest.decoder();
        positive(file, "decoder.hidden", decoder.hidden());
        positive(file, "decoder.layers", decoder.layers());
        positive(file, "decoder.heads", decoder.heads());
        positive(file, "decoder.kvHeads", decoder.kvHeads());
        positive(file, "decoder.headDim", decoder.headDim());
        positive(file, "decoder.vocabulary", decoder.vocabulary());
        positive(file, "decoder.contextLength", decoder.contextLength());
        check(
                file,
                "decoder.kvHeads",
                decoder.kvHeads(),
                decoder.heads() % decoder.kvHeads() == 0,
                "a divisor of decoder.heads, which is " + decoder.heads());
        check(
                file,
                "decoder.positionChannels",
                decoder.positionChannels(),
                decoder.positionChannels() == 1 || decoder.positionChannels() == 3,
                "1 or 3");
        check(
                file,
                "decoder.embeddingRows",
                decoder.embeddingRows(),
                decoder.embeddingRows() >= decoder.vocabulary(),
                "at least decoder.vocabulary, which is " + decoder.vocabulary());
        check(
                file,
                "decoder.embeddingScale",
                decoder.embeddingScale(),
                Float.isFinite(decoder.embeddingScale()) && decoder.embeddingScale() > 0,
                "a positive number");
        check(
                file,
                "generation.eosTokenIds",
                manifest.generation().eosTokenIds(),
                manifest.generation().eosTokenIds().stream().allMatch(id -> id != null && id >= 0),
                "token ids");
    }

    private static void positive(Path file, String field, int value) {
        check(file, field, value, value > 0, "a positive number");
    }

    private static void check(Path file, String field, Object value, boolean holds, String expected) {
        if (!holds) {
            throw corrupt(file, "field '" + field + "' is " + value + "; expected " + expected, null);
        }
    }

    private static VlmException corrupt(Path file, String problem, @Nullable Throwable cause) {
        return new VlmException(ErrorCode.BUNDLE_CORRUPT, file + ": " + problem, cause);
    }
}
