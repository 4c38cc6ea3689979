package org.vlmserve.gateway.chat;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.springframework.util.unit.DataSize;
import org.vlmserve.gateway.Pictures;
import org.vlmserve.gateway.chat.ChatRequest.WantedPicture;
import org.vlmserve.gateway.config.ApiConfig;
import org.vlmserve.gateway.config.ApiConfig.UnknownFields;
import org.vlmserve.gateway.config.DetailConfig;
import org.vlmserve.gateway.config.RequestConfig;
import org.vlmserve.gateway.http.MemoryBudget;
import org.vlmserve.gateway.picture.PictureUrl;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.testing.fuzz.ByteMutations;
import org.vlmserve.testing.fuzz.Fuzzer;
import org.vlmserve.testing.fuzz.JsonMutations;
import org.vlmserve.testing.fuzz.TextMutations;

/** Whatever stands in a body, reading it ends, soon, with a request or with an error that names the field, and the request after it is read as ever. */
class RequestBodiesFuzzTest {

    private static final long MAX_PICTURE = 1 << 20;

    private final ChatRequestParser parser = new ChatRequestParser(
            new RequestConfig(
                    Duration.ofMinutes(5),
                    DataSize.ofMegabytes(28),
                    DataSize.ofBytes(MAX_PICTURE),
                    16,
                    DataSize.ofMegabytes(2)),
            new DetailConfig(200_704, null, null),
            new ApiConfig(UnknownFields.IGNORE));

    private static List<byte[]> corpus() {
        String inline = Pictures.dataUrl(Pictures.png(4, 4));
        // Long enough to be cut out of its body.
        String large = Base64.getEncoder().encodeToString(Pictures.pngOfBytes(3000));
        List<String> bodies = new ArrayList<>(List.of(
                "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
                "{\"model\":\"m\",\"pictures\":[{\"type\":\"size\",\"size\":{\"width\":1,\"height\":2,\"frames\":3}}]}",
                "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"video\",\"video\":[\""
                        + inline
                        + "\",\"" + large + "\"]},{\"type\":\"video_url\",\"video_url\":\"data:video/jpeg;base64,"
                        + large + ","
                        + large + "\"}]}]}",
                "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":\"data:image/png;base64,"
                        + large.replace("/", "\\/").replace("=", "\\u003d")
                        + "\\n\"},{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"data\":\""
                        + large + "\"}}]}]}"));
        ApiDocumentTest.OBEYED.forEach(bodies::add);
        bodies.add(ApiDocumentTest.PLAN);
        return bodies.stream()
                .map(body -> body.getBytes(StandardCharsets.UTF_8))
                .toList();
    }

    @Test
    void bodies() {
        byte[] valid = corpus().getFirst();
        ChatRequest expected = parser.parse(valid.clone(), MemoryBudget.UNBOUNDED);
        Fuzzer.of(
                        "request-bodies",
                        ErrorCode.INVALID_REQUEST,
                        ErrorCode.UNSUPPORTED_FIELD,
                        ErrorCode.PIXEL_LIMITS_INVALID,
                        ErrorCode.REQUEST_TOO_LARGE,
                        ErrorCode.PICTURE_TOO_LARGE)
                .from(corpus())
                .by(ByteMutations.all())
                .by(TextMutations.all())
                .by(JsonMutations.all())
                .by(JsonMutations.all())
                .run(input -> {
                    try {
                        if (new String(input, StandardCharsets.ISO_8859_1).contains("\"pictures\"")) {
                            decode(parser.parsePlan(input.clone(), MemoryBudget.UNBOUNDED)
                                    .wanted());
                        } else {
                            decode(parser.parse(input.clone(), MemoryBudget.UNBOUNDED)
                                    .pictures());
                        }
                    } finally {
                        ChatRequest beside = parser.parse(valid.clone(), MemoryBudget.UNBOUNDED);
                        assertThat(beside.turns()).isEqualTo(expected.turns());
                        assertThat(beside.sampling()).isEqualTo(expected.sampling());
                    }
                });
    }

    private static void decode(List<WantedPicture> pictures) {
        for (WantedPicture picture : pictures) {
            for (PictureUrl source : picture.sources()) {
                if (source instanceof PictureUrl.Inline inline) {
                    if (picture.medium() == Medium.VIDEO) {
                        inline.decodeVideo(MAX_PICTURE, size -> {});
                    } else {
                        inline.decode(MAX_PICTURE, size -> {});
                    }
                }
            }
        }
    }
}
