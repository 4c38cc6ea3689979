package org.vlmserve.testing;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A tiny random checkpoint and what the reference answers with it. */
public final class GoldenCheckpoint {

    private final Goldens goldens;
    private final String family;
    private final String name;
    private final Path folder;

    GoldenCheckpoint(Goldens goldens, String family, String name, Path folder) {
        this.goldens = goldens;
        this.family = family;
        this.name = name;
        this.folder = folder;
    }

    /** The name of the family's folder: {@code model_type} in its configuration. */
    public String family() {
        return family;
    }

    /** As {@code nested-untied}. */
    public String name() {
        return name;
    }

    /** The checkpoint's files, as a user would hand them in. */
    public Path directory() {
        return folder.resolve("checkpoint");
    }

    /** The checkpoint of its vision tower, where that comes in a directory of its own. */
    public @Nullable Path visionTower() {
        Path tower = folder.resolve("tower");
        return Files.exists(tower) ? tower : null;
    }

    public List<GoldenCase> cases() {
        return Goldens.folders(folder.resolve("cases")).stream()
                .map(directory -> GoldenCase.read(goldens, this, directory))
                .toList();
    }

    /** The case of that name; the method is not called {@code case}, which is a word of the language. */
    public GoldenCase caseNamed(String caseName) {
        return GoldenCase.read(goldens, this, folder.resolve("cases").resolve(caseName));
    }

    /** @param decoded every id; the other text leaves special tokens out */
    public record TokenizedText(String text, int[] ids, String decoded, String decodedWithoutSpecial) {
        @Override
        public String toString() {
            return "'" + text + "'";
        }
    }

    /** @param prefixes the text of the first 1, 2, 3 … ids without special tokens, U+FFFD for unfinished characters */
    public record IncrementalDecoding(String name, int[] ids, List<String> prefixes) {
        @Override
        public String toString() {
            return name;
        }
    }

    /**
     * @param tokenizerSize one more than the largest id that stands for a token
     * @param modelVocabSize rows of the embedding, which may be more
     */
    public record Tokens(
            int tokenizerSize,
            int modelVocabSize,
            Map<String, Integer> specialTokens,
            List<TokenizedText> texts,
            List<IncrementalDecoding> incremental) {}

    public Tokens tokens() {
        return Goldens.read(folder.resolve("tokens.json"), Tokens.class);
    }

    @Override
    public String toString() {
        return family + "/" + name;
    }
}
