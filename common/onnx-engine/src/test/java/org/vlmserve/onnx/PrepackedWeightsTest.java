package org.vlmserve.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

@Tag("processor")
class PrepackedWeightsTest {

    @TempDir
    Path directory;

    @Test
    void aCachedGraphIsMadeOnceAndAnswersAlike() throws IOException {
        Path graph = TestGraphs.write(directory, TestGraphs.decoder());
        Path cache = directory.resolve("cache");
        float[] plain = logits(graph, null);
        assertThat(logits(graph, cache)).containsExactly(plain);
        List<Path> entries = entries(cache);
        assertThat(entries).hasSize(1);
        Path cached = entries.getFirst().resolve("graph.onnx");
        FileTime made = Files.getLastModifiedTime(cached);
        assertThat(logits(graph, cache)).containsExactly(plain);
        assertThat(entries(cache)).isEqualTo(entries);
        assertThat(Files.getLastModifiedTime(cached)).isEqualTo(made);
    }

    @Test
    void otherWeightsAreAnotherEntry() throws IOException {
        Path graph = TestGraphs.write(directory, TestGraphs.decoder());
        Path cache = directory.resolve("cache");
        logits(graph, cache);
        Files.write(directory.resolve(GraphContract.WEIGHTS), new byte[3]);
        logits(graph, cache);
        assertThat(entries(cache)).hasSize(2);
    }

    @Test
    void aPlaceThatCannotBeWrittenIsNamed() throws IOException {
        Path graph = TestGraphs.write(directory, TestGraphs.decoder());
        Path file = Files.writeString(directory.resolve("file"), "in the way");
        assertThatThrownBy(() -> logits(graph, file))
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.DISK_FULL))
                .hasMessageContaining(file.toString());
    }

    private static float[] logits(Path graph, @Nullable Path cache) {
        DecoderShape shape = TestGraphs.DECODER;
        try (CausalDecoder decoder = CausalDecoder.load(
                graph, shape, 1, 8, EngineOptions.ofThreads(1).withCacheDirectory(cache))) {
            float[] embeds = TestGraphs.random(new SplittableRandom(1), 3 * shape.hidden());
            long[] positions = {0, 1, 2};
            return Objects.requireNonNull(
                    decoder.prefill(0, 0, embeds, 3, new long[][] {positions, positions, positions}, true));
        }
    }

    private static List<Path> entries(Path cache) throws IOException {
        try (Stream<Path> files = Files.list(cache)) {
            return files.sorted().toList();
        }
    }
}
