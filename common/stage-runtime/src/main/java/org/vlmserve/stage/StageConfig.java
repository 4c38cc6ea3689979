package org.vlmserve.stage;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.vlmserve.protocol.Stage;

/**
 * {@code vlm}: what a stage's process serves, and under which name.
 *
 * @param bundles directory of each bundle, by the name that callers use for the model
 * @param instance unique among all that ever ran; by default stage, host and a random number
 * @param grace how long work that is begun may go on when the process is told to end
 */
@ConfigurationProperties("vlm")
public record StageConfig(
        @DefaultValue Map<String, Path> bundles,
        @Nullable String instance,
        @DefaultValue("5s") Duration grace) {

    String instanceOf(Stage stage) {
        if (instance != null) {
            return instance;
        }
        String random = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
        return stage.wireName() + "-" + host() + "-" + random;
    }

    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            // a host without a name is still unique by the random number
            return "localhost";
        }
    }
}
