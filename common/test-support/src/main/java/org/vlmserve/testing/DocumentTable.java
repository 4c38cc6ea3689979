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
     * The rows below a table's heads, as their cells.
     *
     * @param document path from the repository's root
     * @param heads the table's first row, as it is written
     * @throws IllegalArgumentException if the document has no such table, or one without rows
     */
    public static List<List<String>> rows(String document, String heads) {
        Path file = root().resolve(document);
        List<String> lines;
        try {
            lines = Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        int at = lines.indexOf(heads);
        List<List<String>> rows = at < 0
                ? List.of()
                : lines.subList(at + 2, lines.size()).stream()
                        .takeWhile(line -> line.startsWith("|"))
                        .map(line -> Arrays.stream(
                                        line.substring(1, line.length() - 1).split("\\|"))
                                .map(String::strip)
                                .toList())
                        .toList();
        if (rows.isEmpty()) {
            throw new IllegalArgumentException(file + " has no table " + heads);
        }
        return rows;
    }

    /** All whole numbers in the cells of a row, in order; "1,932 × 14" holds two. */
    public static List<Integer> numbers(List<String> row) {
        return row.stream()
                .flatMap(cell -> Arrays.stream(cell.replace(",", "").split("\\D+")))
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
