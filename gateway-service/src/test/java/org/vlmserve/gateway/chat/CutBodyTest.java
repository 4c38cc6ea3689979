package org.vlmserve.gateway.chat;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class CutBodyTest {

    private static final String LONG = "data:image/png;base64," + "A".repeat(4000);

    private static CutBody body(String json) {
        return new CutBody(json.getBytes(StandardCharsets.UTF_8));
    }

    private static JsonNode tree(CutBody body) {
        return JsonMapper.shared().readTree(body.json());
    }

    @Test
    void longDataStringsBecomeMarksThatCanBeRestored() {
        CutBody body = body("{\"a\":\"" + LONG + "\",\"b\":[\"x\",\"" + LONG.toUpperCase() + "\"]}");

        assertThat(body.json()).hasSizeLessThan(200);
        assertThat(body.restore(tree(body).get("a").stringValue())).isEqualTo(LONG);
        assertThat(body.restore(tree(body).get("b").get(1).stringValue())).isEqualTo(LONG.toUpperCase());
        assertThat(body.restore("x")).isEqualTo("x");
    }

    @Test
    void whatIsNotPlainDataIsLeftAlone() {
        for (String json : new String[] {
            "{\"a\":\"data:short\"}",
            "{\"a\":\"" + "A.".repeat(4000) + "\"}",
            "{\"" + LONG + "\":1}",
            "{\"" + "A".repeat(4000) + "\" \n : 1}",
            "{\"a\":\"" + LONG + "\\x\"}",
            "{\"a\":\"" + LONG + "\\u00e9\"}",
            "{\"a\":\"" + LONG + "\\u00e\"}",
            "{\"a\":\"" + LONG + "\n\"}",
            "{\"a\":\"" + LONG + "é\"}",
            "{\"a\":\"\\\\\\\"" + LONG + "\"}",
            "{\"a\":\"" + LONG,
            "{\"a\":\"" + LONG + "\\",
            "\"",
            ""
        }) {
            byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
            assertThat(new CutBody(bytes).json()).isSameAs(bytes);
        }
    }

    @Test
    void escapesAreResolvedAndLongBase64IsCutToo() {
        String escaped = LONG.replace(",", ",\\n\\u0020").replaceFirst("A", "\\\\/") + "\\u003d\\u003D\\\"\\\\";
        CutBody body = body("{\"a\":\"" + escaped + "\",\"b\":\"" + "A-_/".repeat(500) + "\\r\\n==\",\"c\":\"x\"}");

        assertThat(body.json()).hasSizeLessThan(200);
        assertThat(body.restore(tree(body).get("a").stringValue()))
                .isEqualTo(JsonMapper.shared().readTree("\"" + escaped + "\"").stringValue());
        assertThat(body.restore(tree(body).get("b").stringValue())).isEqualTo("A-_/".repeat(500) + "\r\n==");
        assertThat(tree(body).get("c").stringValue()).isEqualTo("x");
    }

    @Test
    void aMarkOfAnotherBodyIsOnlyText() {
        CutBody one = body("{\"a\":\"" + LONG + "\"}");
        String mark = tree(one).get("a").stringValue();

        assertThat(body("{\"a\":\"" + mark + "\"}").restore(mark)).isEqualTo(mark);
    }
}
