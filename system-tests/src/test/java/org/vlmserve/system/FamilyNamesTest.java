package org.vlmserve.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** No family's name stands outside its own package: adding a family is adding one package and one importer block. */
final class FamilyNamesTest {

    private static final Path ROOT = Path.of(System.getProperty("vlm.root"));
    private static final Pattern NAMES =
            Pattern.compile("qwen|llava|paligemma|vicuna|siglip", Pattern.CASE_INSENSITIVE);

    /** A package of a family, in any module, main or test; and this test. */
    private static final Pattern ALLOWED = Pattern.compile(
            "org/vlmserve/(families|importer)/(llava|llavanext|paligemma|qwen2vl)/|META-INF/services/|FamilyNamesTest|ArchitectureTest");

    @Test
    void family_names_stay_in_their_packages() throws IOException {
        List<String> found = new ArrayList<>();
        try (Stream<Path> files = Files.walk(ROOT)) {
            files.filter(FamilyNamesTest::isProductSource).forEach(file -> {
                String name = ROOT.relativize(file).toString().replace('\\', '/');
                if (ALLOWED.matcher(name).find()) {
                    return;
                }
                List<String> lines = lines(file);
                for (int i = 0; i < lines.size(); i++) {
                    if (NAMES.matcher(lines.get(i)).find()) {
                        found.add(name + ":" + (i + 1) + ": " + lines.get(i).strip());
                    }
                }
            });
        }
        assertThat(found)
                .as("lines that name a model family outside its package")
                .isEmpty();
    }

    private static boolean isProductSource(Path file) {
        String name = file.toString().replace('\\', '/');
        return name.contains("/src/main/")
                && !name.contains("/target/")
                && (name.endsWith(".java") || name.endsWith(".yml") || name.endsWith(".yaml"));
    }

    private static List<String> lines(Path file) {
        try {
            return Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
