package org.vlmserve.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.vlmserve.importer.Precision;
import tools.jackson.databind.JsonNode;

/** The shipped model, in the precision that is served unless another is asked for, answers about every picture in {@code examples/}. */
final class ExamplesTest {

    private static final Path EXAMPLES = Bundles.ROOT.resolve("examples");

    @Test
    void each_example_is_answered_as_it_says() throws Exception {
        JsonNode answers = ChatClient.JSON.readTree(Files.readString(EXAMPLES.resolve("answers.json")));
        assertThat(pictures()).isEqualTo(Set.copyOf(answers.propertyNames())).hasSizeGreaterThanOrEqualTo(6);
        Path shipped = Bundles.shippedCheckpoint();
        String model = shipped.getFileName().toString();
        List<String> expected = new ArrayList<>();
        List<String> given = new ArrayList<>();
        try (SuiteUnderTest suite = SuiteUnderTest.start(Map.of(model, Bundles.imported(shipped, Precision.INT8)))) {
            for (Map.Entry<String, JsonNode> picture : answers.properties()) {
                for (Map.Entry<String, JsonNode> question : picture.getValue().properties()) {
                    ChatClient.Reply reply = suite.client()
                            .ask(ChatClient.request(model, question.getKey(), EXAMPLES.resolve(picture.getKey())));
                    String asked = picture.getKey() + ": " + question.getKey() + " ";
                    expected.add(asked + question.getValue().asString());
                    given.add(asked + (reply.status() == 200 ? reply.text() : reply.body()));
                }
            }
        }
        assertThat(given).isEqualTo(expected);
    }

    private static Set<String> pictures() throws Exception {
        try (Stream<Path> files = Files.list(EXAMPLES)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".png"))
                    .collect(Collectors.toSet());
        }
    }
}
