package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.SystemMessage;
import org.springframework.ai.chat.messages.UserMessage;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.content.Media;
import org.springframework.ai.openai.OpenAiChatModel;
import org.springframework.ai.openai.OpenAiChatOptions;
import org.springframework.core.io.ByteArrayResource;
import org.springframework.util.MimeTypeUtils;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.error.ErrorCode;

/** Spring AI against the gateway, over a real port. */
class SpringAiClientTest {

    private static final FakeRoad road = new FakeRoad();
    private static TestGateway gateway;
    private static OpenAiChatModel model;

    @BeforeAll
    static void start() {
        gateway = new TestGateway(road);
        model = OpenAiChatModel.builder()
                .options(OpenAiChatOptions.builder()
                        .baseUrl(gateway.url() + "/v1")
                        .apiKey("any")
                        .maxRetries(0)
                        .model(FakeRoad.MODEL)
                        .build())
                .build();
    }

    @AfterAll
    static void stop() {
        gateway.close();
    }

    @BeforeEach
    void answer() {
        road.answers("Hello", " big", " world");
    }

    private static Media picture(byte[] content) {
        return Media.builder()
                .mimeType(MimeTypeUtils.IMAGE_PNG)
                .data(new ByteArrayResource(content))
                .build();
    }

    private static String text(ChatResponse response) {
        return response.getResults().stream()
                .map(result -> result.getOutput().getText())
                .filter(text -> text != null)
                .collect(Collectors.joining());
    }

    @Test
    void call() {
        ChatResponse response = model.call(new Prompt("Say hello"));

        assertThat(text(response)).isEqualTo("Hello big world");
        assertThat(response.getMetadata().getUsage().getTotalTokens()).isEqualTo(23);
    }

    @Test
    void stream() {
        List<ChatResponse> responses =
                model.stream(new Prompt("Say hello")).toStream().toList();

        assertThat(responses.stream().map(SpringAiClientTest::text)).contains(" big");
        assertThat(responses.stream().map(SpringAiClientTest::text).collect(Collectors.joining()))
                .isEqualTo("Hello big world");
    }

    @Test
    void severalPicturesAndTurns() {
        byte[] first = Pictures.png(20, 10);
        byte[] second = Pictures.png(10, 20);
        UserMessage question = UserMessage.builder()
                .text("What differs?")
                .media(picture(first), picture(second))
                .build();

        model.call(new Prompt(List.of(
                new SystemMessage("Be brief"), question, new AssistantMessage("The shape"), new UserMessage("Sure?"))));

        assertThat(road.lastAsked().turns())
                .extracting(ChatTurn::role)
                .containsExactly("system", "user", "assistant", "user");
        assertThat(road.lastAsked().pictures()).hasSize(2);
        assertThat(road.lastAsked().pictures().get(0).content().files().getFirst())
                .isEqualTo(first);
        assertThat(road.lastAsked().pictures().get(1).content().files().getFirst())
                .isEqualTo(second);
    }

    @Test
    void errors() {
        road.fails(ErrorCode.PICTURE_UNREADABLE, "the picture is cut short");

        assertThatThrownBy(() -> model.call(new Prompt("Say hello")))
                .hasStackTraceContaining("the picture is cut short");
        assertThatThrownBy(() -> model.stream(new Prompt("Say hello")).blockLast())
                .hasStackTraceContaining("the picture is cut short");
    }
}
