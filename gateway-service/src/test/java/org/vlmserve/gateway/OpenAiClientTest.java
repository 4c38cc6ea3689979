package org.vlmserve.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.InternalServerException;
import com.openai.errors.NotFoundException;
import com.openai.errors.RateLimitException;
import com.openai.errors.UnprocessableEntityException;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionContentPart;
import com.openai.models.chat.completions.ChatCompletionContentPartImage;
import com.openai.models.chat.completions.ChatCompletionContentPartText;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.models.Model;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** The official Java client against the gateway, over a real port. */
class OpenAiClientTest {

    private static final FakeRoad road = new FakeRoad();
    private static TestGateway gateway;
    private static OpenAIClient client;

    @BeforeAll
    static void start() {
        gateway = new TestGateway(road);
        client = OpenAIOkHttpClient.builder()
                .baseUrl(gateway.url() + "/v1")
                .apiKey("any")
                .maxRetries(0)
                .build();
    }

    @AfterAll
    static void stop() {
        client.close();
        gateway.close();
    }

    @BeforeEach
    void answer() {
        road.answers("Hello", " big", " world");
    }

    private static ChatCompletionCreateParams.Builder ask() {
        return ChatCompletionCreateParams.builder().model(FakeRoad.MODEL).addUserMessage("Say hello");
    }

    private static ChatCompletionContentPart text(String text) {
        return ChatCompletionContentPart.ofText(
                ChatCompletionContentPartText.builder().text(text).build());
    }

    private static ChatCompletionContentPart picture(byte[] content) {
        return ChatCompletionContentPart.ofImageUrl(ChatCompletionContentPartImage.builder()
                .imageUrl(ChatCompletionContentPartImage.ImageUrl.builder()
                        .url(Pictures.dataUrl(content))
                        .build())
                .build());
    }

    @Test
    void callGivesTextFinishReasonAndUsage() {
        ChatCompletion completion = client.chat().completions().create(ask().build());

        assertThat(completion.id()).startsWith("chatcmpl-");
        assertThat(completion.model()).isEqualTo(FakeRoad.MODEL);
        ChatCompletion.Choice choice = completion.choices().getFirst();
        assertThat(choice.message().content()).contains("Hello big world");
        assertThat(choice.finishReason()).isEqualTo(ChatCompletion.Choice.FinishReason.STOP);
        assertThat(completion.usage().orElseThrow().totalTokens()).isEqualTo(23);
        assertThat(completion
                        .usage()
                        .orElseThrow()
                        .promptTokensDetails()
                        .orElseThrow()
                        .cachedTokens())
                .contains(8L);
        completion.validate();
    }

    @Test
    void streamGivesDeltasFinishReasonAndUsage() {
        StringBuilder text = new StringBuilder();
        List<ChatCompletionChunk> chunks;
        try (StreamResponse<ChatCompletionChunk> stream = client.chat()
                .completions()
                .createStreaming(ask().streamOptions(ChatCompletionStreamOptions.builder()
                                .includeUsage(true)
                                .build())
                        .build())) {
            chunks = stream.stream()
                    .peek(ChatCompletionChunk::validate)
                    .peek(chunk -> chunk.choices()
                            .forEach(choice -> choice.delta().content().ifPresent(text::append)))
                    .toList();
        }

        assertThat(text).hasToString("Hello big world");
        assertThat(chunks.getFirst().choices().getFirst().delta().role())
                .contains(ChatCompletionChunk.Choice.Delta.Role.ASSISTANT);
        assertThat(chunks.get(chunks.size() - 2).choices().getFirst().finishReason())
                .contains(ChatCompletionChunk.Choice.FinishReason.STOP);
        assertThat(chunks.getLast().choices()).isEmpty();
        assertThat(chunks.getLast().usage().orElseThrow().completionTokens()).isEqualTo(3);
    }

    @Test
    void picturesArriveAsTheyWereAndInOrder() {
        byte[] first = Pictures.png(40, 30);
        byte[] second = Pictures.jpeg(50, 20);

        client.chat()
                .completions()
                .create(ChatCompletionCreateParams.builder()
                        .model(FakeRoad.MODEL)
                        .addUserMessageOfArrayOfContentParts(
                                List.of(picture(first), text("and"), picture(second), text("What differs?")))
                        .build());

        assertThat(road.lastAsked().pictures()).hasSize(2);
        assertThat(road.lastAsked().pictures().get(0).content().files().getFirst())
                .isEqualTo(first);
        assertThat(road.lastAsked().pictures().get(1).content().files().getFirst())
                .isEqualTo(second);
        assertThat(road.lastAsked().turns())
                .containsExactly(new ChatTurn(
                        "user",
                        List.of(
                                new ChatTurn.Picture(0),
                                new ChatTurn.Text("and"),
                                new ChatTurn.Picture(1),
                                new ChatTurn.Text("What differs?")),
                        false));
    }

    @Test
    void severalTurnsWithAnAnswerOfOursAmongThem() {
        ChatCompletion first = client.chat()
                .completions()
                .create(ChatCompletionCreateParams.builder()
                        .model(FakeRoad.MODEL)
                        .addDeveloperMessage("Be brief")
                        .addUserMessageOfArrayOfContentParts(List.of(picture(Pictures.png(8, 8)), text("What?")))
                        .build());
        client.chat()
                .completions()
                .create(ChatCompletionCreateParams.builder()
                        .model(FakeRoad.MODEL)
                        .addDeveloperMessage("Be brief")
                        .addUserMessage("What?")
                        .addMessage(first.choices().getFirst().message())
                        .addUserMessage("Sure?")
                        .build());

        assertThat(road.lastAsked().turns())
                .containsExactly(
                        turn("system", "Be brief"),
                        turn("user", "What?"),
                        turn("assistant", "Hello big world"),
                        turn("user", "Sure?"));
    }

    private static ChatTurn turn(String role, String text) {
        return new ChatTurn(role, List.of(new ChatTurn.Text(text)), true);
    }

    @Test
    void logprobsHaveOpenAisShape() {
        ChatCompletion completion = client.chat()
                .completions()
                .create(ask().logprobs(true).topLogprobs(2).build());

        var content = completion
                .choices()
                .getFirst()
                .logprobs()
                .orElseThrow()
                .content()
                .orElseThrow();
        assertThat(content).hasSize(3);
        assertThat(content.get(1).token()).isEqualTo(" big");
        assertThat(content.get(1).bytes().orElseThrow()).containsExactly(32L, 98L, 105L, 103L);
        assertThat(content.get(1).topLogprobs()).hasSize(2);
        completion.validate();
    }

    @Test
    void modelsAreListed() {
        List<Model> models = client.models().list().data();

        assertThat(models).extracting(Model::id).containsExactly(FakeRoad.MODEL);
        assertThat(client.models().retrieve(FakeRoad.MODEL).created()).isEqualTo(1_700_000_000L);
        assertThatThrownBy(() -> client.models().retrieve("nobody"))
                .isInstanceOfSatisfying(
                        NotFoundException.class, e -> assertThat(e.code()).contains("model_not_found"));
    }

    @Test
    void errorsAreTheClientsOwnExceptions() {
        assertThatThrownBy(() -> client.chat().completions().create(ask().n(2).build()))
                .isInstanceOfSatisfying(BadRequestException.class, e -> {
                    assertThat(e.param()).contains("n");
                    assertThat(e.code()).contains("unsupported_field");
                    assertThat(e.type()).contains("invalid_request_error");
                });
        assertThatThrownBy(() ->
                        client.chat().completions().create(ask().model("nobody").build()))
                .isInstanceOf(NotFoundException.class);

        road.fails(ErrorCode.PICTURE_UNREADABLE, "the picture is cut short");
        assertThatThrownBy(() -> client.chat().completions().create(ask().build()))
                .isInstanceOf(UnprocessableEntityException.class)
                .hasMessageContaining("cut short");

        road.onSubmit((request, listener) -> {
            throw new VlmException(ErrorCode.OVERLOADED, "each decoder is full");
        });
        assertThatThrownBy(() -> client.chat().completions().create(ask().build()))
                .isInstanceOfSatisfying(
                        RateLimitException.class,
                        e -> assertThat(e.headers().values("retry-after")).containsExactly("2"));

        road.onSubmit((request, listener) -> {
            throw new VlmException(ErrorCode.STAGE_UNAVAILABLE, "no projector is live");
        });
        assertThatThrownBy(() -> client.chat().completions().createStreaming(ask().build()))
                .isInstanceOfSatisfying(
                        InternalServerException.class,
                        e -> assertThat(e.statusCode()).isEqualTo(503));
    }
}
