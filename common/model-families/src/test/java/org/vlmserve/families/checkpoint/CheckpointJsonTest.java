package org.vlmserve.families.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

class CheckpointJsonTest {

    @TempDir
    Path directory;

    private CheckpointJson read(String json) throws IOException {
        return CheckpointJson.read(Files.writeString(directory.resolve("config.json"), json));
    }

    @Test
    void wholeNumbersAreThoseOfTheirWidth() throws IOException {
        CheckpointJson json = read("{\"a\": 4.0, \"b\": 2147483647, \"c\": -9223372036854775808}");
        assertThat(json.requireInt("a")).isEqualTo(4);
        assertThat(json.requireInt("b")).isEqualTo(Integer.MAX_VALUE);
        assertThat(json.longValue("c", 0)).isEqualTo(Long.MIN_VALUE);
        for (String number : List.of(
                "2147483648",
                "9223372036854775808",
                "1e400",
                "-1e400",
                "0.5",
                "1e19",
                "9".repeat(400),
                "\"4\"",
                "[4]",
                "true")) {
            assertRefused(() -> read("{\"a\": " + number + "}").requireInt("a"), "'a' is ");
        }
        assertThat(read("{\"a\": 1e-400000000}").requireInt("a")).isZero();
    }

    @Test
    void numbersAreFinite() throws IOException {
        assertThat(read("{\"a\": 12}").doubleValue("a", 0)).isEqualTo(12);
        for (String number : List.of("1e400", "-1e999999999", "9".repeat(400))) {
            assertRefused(() -> read("{\"a\": " + number + "}").doubleValue("a", 0), "expected a finite number");
            assertRefused(() -> read("{\"a\": [1, " + number + "]}").doubles("a", List.of()), "finite numbers");
        }
    }

    @Test
    void sizesHaveBounds() throws IOException {
        CheckpointJson json = read(
                "{\"hidden\": 16777216, \"layers\": 1024, \"positions\": 4194304, \"none\": 0, \"most\": 2147483647}");
        assertThat(json.positiveInt("hidden", 1)).isEqualTo(1 << 24);
        assertThat(json.layers("layers", 1)).isEqualTo(1024);
        assertThat(json.positions("positions", 1)).isEqualTo(1 << 22);
        assertRefused(() -> json.positiveInt("none", 1), "'none' is 0; expected a positive number");
        for (ThrowingCallable call : List.<ThrowingCallable>of(
                () -> json.positiveInt("most", 1),
                () -> json.layers("most", 1),
                () -> json.positions("most", 1),
                () -> json.layers("positions", 1))) {
            assertThatThrownBy(call)
                    .isInstanceOfSatisfying(
                            VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNSUPPORTED))
                    .hasMessageContaining("supported: at most ");
        }
    }

    @Test
    void objectsOfAListKnowWhereTheyStand() throws IOException {
        CheckpointJson json = read("{\"tokens\": [{\"id\": 1}, {\"id\": \"x\"}], \"other\": [1], \"none\": null}");
        assertThat(json.objects("tokens"))
                .hasSize(2)
                .first()
                .satisfies(token -> assertThat(token.requireInt("id")).isEqualTo(1));
        assertRefused(() -> json.objects("tokens").get(1).requireInt("id"), "'tokens[1].id' is \"x\"");
        assertRefused(() -> json.objects("other"), "'other' is [1]; expected a list of objects");
        assertThat(json.objects("none")).isEmpty();
        assertThat(json.objects("absent")).isEmpty();
    }

    @Test
    void whatAnErrorQuotesIsShort() throws IOException {
        CheckpointJson json = read("{\"a\": [" + "1, ".repeat(10_000) + "1]}");
        assertThatThrownBy(() -> json.requireInt("a"))
                .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(500))
                .hasMessageContaining("1,1,1 …; expected a whole number");
    }

    @Test
    void deepLongAndLargeFilesAreRefused() throws IOException {
        for (String bracket : List.of("[", "{\"a\":")) {
            assertRefused(() -> read("{\"a\": " + bracket.repeat(1_000_000)), "is no JSON: ");
        }
        assertRefused(() -> read("{\"a\": " + "9".repeat(100_000) + "}"), "is no JSON: ");
        try (RandomAccessFile large =
                new RandomAccessFile(directory.resolve("large.json").toFile(), "rw")) {
            large.setLength(1L << 32);
        }
        assertRefused(
                () -> CheckpointJson.read(directory.resolve("large.json")),
                "it has 4294967296 bytes, expected at most 67108864");
    }

    private static void assertRefused(ThrowingCallable call, String words) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNREADABLE))
                .hasMessageContaining(words);
    }
}
