package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Rendering;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.databind.JsonNode;

/** {@code POST /v1/vision/plan} over a real port. */
class PlanApiTest {

    private static final String PATH = "/v1/vision/plan";
    private static final String SIZE =
            "{\"model\":\"line-reader\",\"pictures\":[{\"type\":\"size\",\"size\":{\"width\":3,\"height\":4}}]}";

    private static final FakeRoad road = new FakeRoad();
    private static TestGateway gateway;

    @BeforeAll
    static void start() {
        gateway = new TestGateway(road);
    }

    @AfterAll
    static void stop() {
        gateway.close();
    }

    @Test
    void picturesAndSizesAreAnsweredInOrder() throws Exception {
        byte[] picture = Pictures.png(640, 480);
        JsonNode plan = TestGateway.json(gateway.post(
                PATH,
                "{\"model\":\"line-reader\",\"user\":1,\"pictures\":[{\"type\":\"size\",\"size\":{\"width\":3,\"height\":4,\"frames\":2}},"
                        + "{\"type\":\"image_url\",\"image_url\":{\"url\":\"" + Pictures.dataUrl(picture)
                        + "\",\"max_pixels\":1000}}]}"));

        assertThat(plan)
                .isEqualTo(
                        TestGateway.JSON.readTree("{\"object\":\"vision.plan\",\"model\":\"line-reader\",\"pictures\":["
                                + "{\"medium\":\"video\",\"source\":{\"width\":3,\"height\":4,\"frames\":2},"
                                + "\"resized\":{\"width\":3,\"height\":4},\"grids\":[[2,4,3]],\"tokens\":12},"
                                + "{\"medium\":\"picture\",\"source\":{\"width\":640,\"height\":480},"
                                + "\"resized\":{\"width\":616,\"height\":476},\"grids\":[[1,34,44]],\"tokens\":374}],"
                                + "\"tokens\":386,\"vlm\":{\"ignored\":[\"user\"]}}"));
        assertThat(road.lastPlanned().requestId()).startsWith("plan-");
        assertThat(road.lastPlanned().pictures().get(0).subject()).isInstanceOf(PictureSource.class);
        assertThat(road.lastPlanned().pictures().get(1).limits()).isEqualTo(new PixelLimits(null, 1000L));
        assertThat(((PictureFiles) road.lastPlanned().pictures().get(1).subject()).files())
                .containsExactly(picture);
    }

    @Test
    void picturesAreWantedAsAPersonSeesThemUnlessTheRequestSaysOtherwise() throws Exception {
        String url = Pictures.dataUrl(Pictures.png(6, 4));
        String plan = "{\"model\":\"line-reader\",\"pictures\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"" + url
                + "\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":\"" + url
                + "\",\"rendering\":\"reference\"}}]}";
        assertThat(gateway.post(PATH, plan).statusCode()).isEqualTo(200);
        assertThat(road.lastPlanned().pictures())
                .extracting(picture -> ((PictureFiles) picture.subject()).rendering())
                .containsExactly(Rendering.VIEWER, Rendering.REFERENCE);
    }

    @Test
    void furtherPagesOfAFileAreTold() throws Exception {
        PictureLayout first = new PictureLayout(
                new PictureSource(Medium.PICTURE, 1, 6, 4, 12),
                6,
                4,
                List.of(new PictureLayout.Grid(1, 4, 6)),
                1,
                1,
                24);
        try {
            road.onPlan(request -> CompletableFuture.completedFuture(List.of(first)));
            assertThat(TestGateway.json(gateway.post(PATH, SIZE))
                            .at("/pictures/0/source/frames_in_file")
                            .asInt())
                    .isEqualTo(12);
        } finally {
            road.onPlan(FakeRoad::layouts);
        }
    }

    @Test
    void errorsAreOpenAis() throws Exception {
        assertError(gateway.post(PATH, "{\"model\":\"line-reader\"}"), 400, "invalid_request", "pictures");
        assertError(gateway.post(PATH, SIZE.replace("line-reader", "nobody")), 404, "model_not_found", "model");
        assertError(gateway.send(TestGateway.request(gateway.url() + PATH).GET()), 405, "method_not_allowed", null);
        assertError(
                gateway.post(PATH, SIZE.replace("\"width\"", "\"depth\"")),
                400,
                "invalid_request",
                "pictures[0].size.width");
        try {
            road.onPlan(request -> CompletableFuture.failedFuture(
                    new VlmException(ErrorCode.PICTURE_ASPECT_RATIO, "3 by 4 is too long and thin")));
            assertError(gateway.post(PATH, SIZE), 422, "picture_aspect_ratio", null);
            road.onPlan(request -> {
                throw new VlmException(ErrorCode.STAGE_UNAVAILABLE, "no vision-encoder is live");
            });
            HttpResponse<String> unavailable = gateway.post(PATH, SIZE);
            assertError(unavailable, 503, "stage_unavailable", null);
            assertThat(unavailable.headers().firstValue("retry-after")).contains("2");
        } finally {
            road.onPlan(FakeRoad::layouts);
        }
    }

    @Test
    void aClientThatGoesAwayCancelsItsPlan() throws Exception {
        CompletableFuture<List<PictureLayout>> never = new CompletableFuture<>();
        try {
            road.onPlan(request -> never);
            CompletableFuture<HttpResponse<String>> call = gateway.client()
                    .sendAsync(
                            TestGateway.request(gateway.url() + PATH)
                                    .header("content-type", "application/json")
                                    .POST(java.net.http.HttpRequest.BodyPublishers.ofString(SIZE))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString());
            await().atMost(Duration.ofSeconds(30)).until(() -> never.getNumberOfDependents() > 0);
            call.cancel(true);
            await().atMost(Duration.ofSeconds(30)).until(never::isCancelled);
        } finally {
            road.onPlan(FakeRoad::layouts);
        }
    }

    private static void assertError(
            HttpResponse<String> response, int status, String code, @org.jspecify.annotations.Nullable String param) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        JsonNode error = TestGateway.json(response).get("error");
        assertThat(error.get("code").stringValue()).isEqualTo(code);
        assertThat(error.get("param").isNull() ? null : error.get("param").stringValue())
                .isEqualTo(param);
    }
}
