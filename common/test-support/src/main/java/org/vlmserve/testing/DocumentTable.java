package org.vlmserve.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** A table in one of the repository's documents, so that a test can hold what the document says. */
public final class DocumentTable {

    private DocumentTable() {}

    /**
     * The whole numbers in each row below a table's heads, in order; a cell "1,932 × 14" holds two.
     *
     * @param document path from the repository's root
     * @param heads the table's first row, as it is written
     * @throws IllegalArgumentException if the document has no such table, or one without rows
     */
    public static List<List<Integer>> numbers(String document, String heads) {
        Path file = root().resolve(document);
        List<String> lines;
        try {
            lines = Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        int at = lines.indexOf(heads);
        List<List<Integer>> rows = at < 0
                ? List.of()
                : lines.subList(at + 2, lines.size()).stream()
                        .takeWhile(line -> line.startsWith("|"))
                        .map(DocumentTable::numbers)
                        .toList();
        if (rows.isEmpty()) {
            throw new IllegalArgumentException(file + " has no table " + heads);
        }
        return rows;
    }

    private static List<Integer> numbers(String row) {
        return Arrays.stream(row.replace(",", "").split("\\D+"))
                .filter(digits -> !digits.isEmpty())
                .map(Integer::valueOf)
                .toList();
    }

    /** The folder that tests run under and that holds the documents. */
    private static Path root() {
        Path folder = Path.of("").toAbsolutePath();
        while (folder != null && !Files.isDirectory(folder.resolve("docs"))) {
            folder = folder.getParent();
        }
        if (folder == null) {
            throw new IllegalStateException(
                    "no folder docs above " + Path.of("").toAbsolutePath());
        }
        return folder;
    }
}
