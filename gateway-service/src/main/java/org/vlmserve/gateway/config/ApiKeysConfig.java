package org.vlmserve.gateway.config;

import java.util.List;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/** @param apiKeys who may ask; none means that everyone may, as tenant {@code default} */
@ConfigurationProperties("vlm")
public record ApiKeysConfig(@DefaultValue List<ApiKey> apiKeys) {

    public ApiKeysConfig {
        apiKeys = List.copyOf(apiKeys);
    }

    /** @param tenant nothing computed for one tenant is ever used for another */
    public record ApiKey(String key, String tenant) {

        public ApiKey {
            if (key == null || key.length() < 8) {
                throw new IllegalArgumentException("a vlm.api-keys entry holds a key of fewer than 8 characters");
            }
            if (tenant == null || !tenant.matches("[A-Za-z0-9._-]{1,100}")) {
                throw new IllegalArgumentException("vlm.api-keys: tenant '" + tenant
                        + "', expected 1 to 100 letters, digits, dots, dashes or underscores");
            }
        }

        /** Without the key, which must never reach a log. */
        @Override
        public String toString() {
            return "ApiKey[tenant=" + tenant + "]";
        }
    }
}
