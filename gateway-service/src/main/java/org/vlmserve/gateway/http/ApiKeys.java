package org.vlmserve.gateway.http;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.gateway.config.ApiKeysConfig;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** Who may ask. Keys are kept and compared as digests, always against all, so that time tells nothing about them. */
public final class ApiKeys {

    /** The tenant of everyone while no keys are configured. */
    public static final String OPEN_TENANT = "default";

    private final List<Entry> entries;

    public ApiKeys(ApiKeysConfig config) {
        this.entries = config.apiKeys().stream()
                .map(key -> new Entry(digest(key.key()), key.tenant()))
                .toList();
    }

    private record Entry(byte[] digest, String tenant) {}

    /**
     * @param authorization the {@code Authorization} header, or null
     * @throws VlmException {@code INVALID_API_KEY}
     */
    public String tenant(@Nullable String authorization) {
        if (entries.isEmpty()) {
            return OPEN_TENANT;
        }
        if (authorization == null || !authorization.regionMatches(true, 0, "Bearer ", 0, 7)) {
            throw new VlmException(
                    ErrorCode.INVALID_API_KEY, "no API key was given; expected a header Authorization: Bearer <key>");
        }
        byte[] given = digest(authorization.substring(7).strip());
        String tenant = null;
        for (Entry entry : entries) {
            if (MessageDigest.isEqual(entry.digest(), given)) {
                tenant = entry.tenant();
            }
        }
        if (tenant == null) {
            throw new VlmException(ErrorCode.INVALID_API_KEY, "the API key is not known");
        }
        return tenant;
    }

    private static byte[] digest(String key) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("SHA-256 is required of every Java platform", e);
        }
    }
}
