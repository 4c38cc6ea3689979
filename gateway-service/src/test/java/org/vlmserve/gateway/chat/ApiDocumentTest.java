package org.vlmserve.gateway.chat;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.springframework.util.unit.DataSize;
import org.vlmserve.gateway.config.DetailConfig;
import org.vlmserve.gateway.config.RequestConfig;
import org.vlmserve.protocol.error.ErrorCode;

/** Holds {@code docs/api.md} and the code together. */
class ApiDocumentTest {

    private final ChatRequestParser parser = new ChatRequestParser(
            new RequestConfig(
                    Duration.ofMinutes(5),
                    DataSize.ofMegabytes(28),
                    DataSize.ofMegabytes(24),
                    16,
                    DataSize.ofMegabytes(2)),
            new DetailConfig(200_704, null, null));
    private final String document;
    private final Map<String, String> fields;

    ApiDocumentTest() throws IOException {
        document = Files.readString(Path.of(System.getProperty("vlm.root"), "docs", "api.md"));
        fields = fields("## Request fields", "## Messages");
    }

    /** What the rows of a section's tables begin with: a field and its state. */
    private Map<String, String> fields(String from, String to) {
        String section = document.substring(document.indexOf(from), document.indexOf(to));
        return Pattern.compile("^\\| `([a-z_]+)` \\| ([a-z]+)", Pattern.MULTILINE)
                .matcher(section)
                .results()
                .collect(Collectors.toMap(
                        row -> row.group(1), row -> row.group(2), (one, two) -> one + two, LinkedHashMap::new));
    }

    @Test
    void everyFieldOfAPlanHasARowAndEveryRowAField() {
        assertThat(new TreeSet<>(
                        fields("### Fields of a plan", "### A plan's answer").keySet()))
                .isEqualTo(new TreeSet<>(parser.planFields()));
    }

    @Test
    void everyTopLevelFieldHasARowAndEveryRowAField() {
        assertThat(new TreeSet<>(fields.keySet())).isEqualTo(new TreeSet<>(parser.topLevelFields()));
        assertThat(fields.values()).isSubsetOf("supported", "beyond", "ignored", "refused");
    }

    @Test
    void refusedFieldsAreThoseThatTheParserRefuses() {
        Set<String> refused = fields.entrySet().stream()
                .filter(row -> row.getValue().equals("refused"))
                .map(Map.Entry::getKey)
                .collect(Collectors.toSet());

        assertThat(refused).isEqualTo(ChatRequestParser.REFUSED.keySet());
    }

    @Test
    void everyFieldOfOpenAisClientIsDocumented() {
        Set<String> openAis = Arrays.stream(ChatCompletionCreateParams.Body.class.getDeclaredMethods())
                .map(method -> method.getAnnotation(JsonProperty.class))
                .filter(Objects::nonNull)
                .map(JsonProperty::value)
                .collect(Collectors.toCollection(TreeSet::new));

        assertThat(openAis).contains("messages", "temperature", "tools");
        assertThat(fields.keySet()).containsAll(openAis);
    }

    @Test
    void everyErrorCodeIsListedWithItsStatus() {
        Set<String> listed = Pattern.compile("^\\| `([a-z_]+)` \\| ([0-9]{3}) \\|", Pattern.MULTILINE)
                .matcher(document)
                .results()
                .map((MatchResult row) -> row.group(1) + " " + row.group(2))
                .collect(Collectors.toSet());

        assertThat(listed)
                .isEqualTo(Arrays.stream(ErrorCode.values())
                        .filter(code -> code.httpStatus() != 0)
                        .map(code -> code.wireName() + " " + code.httpStatus())
                        .collect(Collectors.toSet()));
    }
}
