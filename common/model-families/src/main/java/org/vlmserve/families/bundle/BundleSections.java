package org.vlmserve.families.bundle;

import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The sections of a manifest whose shape is the family's own, as records. */
public final class BundleSections {

    private BundleSections() {}

    /** @throws VlmException {@code BUNDLE_CORRUPT} */
    public static <T> T preprocessing(Bundle bundle, Class<T> type) {
        return read(bundle, "preprocessing", bundle.manifest().preprocessing(), type);
    }

    /** @throws VlmException {@code BUNDLE_CORRUPT} */
    public static <T> T prompt(Bundle bundle, Class<T> type) {
        return read(bundle, "prompt", bundle.manifest().prompt(), type);
    }

    /** @throws VlmException {@code BUNDLE_CORRUPT} for a bundle without a chat template */
    public static String chatTemplate(Bundle bundle) {
        String template = bundle.manifest().chatTemplate();
        if (template == null) {
            throw new VlmException(
                    ErrorCode.BUNDLE_CORRUPT,
                    bundle.directory().resolve(Bundle.MANIFEST) + ": field 'chatTemplate' is missing");
        }
        return template;
    }

    private static <T> T read(Bundle bundle, String name, JsonNode node, Class<T> type) {
        try {
            return JsonMapper.shared().treeToValue(node, type);
        } catch (JacksonException e) {
            throw new VlmException(
                    ErrorCode.BUNDLE_CORRUPT,
                    bundle.directory().resolve(Bundle.MANIFEST) + ": field '" + name + "': " + e.getOriginalMessage(),
                    e);
        }
    }

    /** A record as a section. */
    public static JsonNode of(Object section) {
        return JsonMapper.shared().valueToTree(section);
    }
}
