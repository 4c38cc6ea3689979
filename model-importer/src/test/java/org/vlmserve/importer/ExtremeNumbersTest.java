package org.vlmserve.importer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.databind.util.RawValue;

/** Each number of each family's config.json in turn is one that no model has; nothing is made of a size that only the number says. */
class ExtremeNumbersTest {

    private static final List<String> NUMBERS = List.of(
            "0",
            "-1",
            "3",
            "0.5",
            "65537",
            "2147483647",
            "9223372036854775808",
            "1e400",
            "9".repeat(400),
            "null",
            "[]");

    /** Of each family, and of each decoder that one of them can have. */
    private static final List<String> CHECKPOINTS = List.of(
            "qwen2_vl/flat-tied",
            "llava/layers-full",
            "llava_llama/v1-shards",
            "llava_next/mistral-window",
            "paligemma/hub-multi-query",
            "paligemma/gemma2-capped");

    /** More than any of these checkpoints needs, whatever is done to a number that may be large. */
    private static final long MOST_NEEDED = 64 << 20;

    private static final JsonMapper JSON = new JsonMapper();

    @TempDir
    Path directory;

    /** A disk without room: an import ends where it has built its graphs and would begin to write. */
    private static final class NoRoom extends BundleStore {
        @Override
        long availableBytes(Path anywhere) {
            return 0;
        }
    }

    @Test
    void anyNumberIsTakenOrRefused() throws IOException {
        int tried = 0;
        int refused = 0;
        for (String name : CHECKPOINTS) {
            GoldenCheckpoint golden = Goldens.find().checkpoint(name.split("/", -1)[0], name.split("/", -1)[1]);
            Path copy = Files.createDirectories(directory.resolve(golden.toString()));
            try (Stream<Path> files = Files.list(golden.directory())) {
                for (Path file : files.filter(Files::isRegularFile).toList()) {
                    Files.copy(file, copy.resolve(file.getFileName()));
                }
            }
            Path config = copy.resolve("config.json");
            JsonNode tree = JSON.readTree(config.toFile());
            for (ObjectNode parent : objects(tree)) {
                for (Map.Entry<String, JsonNode> entry : List.copyOf(parent.properties())) {
                    if (!entry.getValue().isNumber()) {
                        continue;
                    }
                    for (String number : NUMBERS) {
                        parent.set(entry.getKey(), parent.rawValueNode(new RawValue(number)));
                        Files.write(config, JSON.writeValueAsBytes(tree));
                        refused += refuses(golden, copy, entry.getKey() + " = " + number) ? 1 : 0;
                        tried++;
                    }
                    parent.set(entry.getKey(), entry.getValue());
                }
            }
        }
        assertThat(tried).isGreaterThan(1000);
        assertThat(refused).isBetween(tried / 4, tried);
    }

    private static List<ObjectNode> objects(JsonNode root) {
        List<ObjectNode> found = new ArrayList<>();
        List<JsonNode> left = new ArrayList<>(List.of(root));
        while (!left.isEmpty()) {
            JsonNode node = left.removeLast();
            if (node instanceof ObjectNode object) {
                found.add(object);
            }
            if (node instanceof ObjectNode || node instanceof ArrayNode) {
                node.forEach(left::add);
            }
        }
        return found;
    }

    private boolean refuses(GoldenCheckpoint golden, Path checkpoint, String change) {
        Path target = directory.resolve("bundle");
        try {
            new Importer(new NoRoom(), Clock.systemUTC())
                    .run(
                            checkpoint,
                            target,
                            ImportOptions.of(Precision.FP32, golden.visionTower()),
                            false,
                            ProgressListener.SILENT);
            throw new AssertionError("there is no room");
        } catch (VlmException e) {
            String message = String.valueOf(e.getMessage());
            String of = golden + ", " + change + ": " + message;
            assertThat(e.code())
                    .as(of)
                    .isIn(ErrorCode.CHECKPOINT_UNREADABLE, ErrorCode.CHECKPOINT_UNSUPPORTED, ErrorCode.DISK_FULL);
            assertThat(message).as(of).hasSizeLessThan(1000);
            if (e.code() == ErrorCode.DISK_FULL) {
                String needed = message.replaceAll(".*the bundle needs (\\d+).*", "$1");
                assertThat(Long.parseLong(needed)).as(of).isBetween(1L, MOST_NEEDED);
            }
            assertThat(target).doesNotExist();
            return e.code() != ErrorCode.DISK_FULL;
        } catch (RuntimeException e) {
            throw new AssertionError(golden + ", " + change, e);
        }
    }
}
