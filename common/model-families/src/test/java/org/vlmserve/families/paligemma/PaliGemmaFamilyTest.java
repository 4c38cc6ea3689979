package org.vlmserve.families.paligemma;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vlmserve.families.FamilyContractTest;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.ModelFamily;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.TokenizerFiles;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.families.preprocess.RgbPicture;
import org.vlmserve.families.preprocess.Tile;
import org.vlmserve.families.prompt.PreparedPrompt;
import org.vlmserve.families.prompt.PromptBuilder;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Region;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;
import org.vlmserve.testing.Goldens;

class PaliGemmaFamilyTest extends FamilyContractTest {

    @Override
    protected ModelFamily family() {
        return new PaliGemmaFamily();
    }

    @Override
    protected BundleManifest manifest(Path checkpoint) {
        PaliGemmaConfig config = PaliGemmaConfig.read(checkpoint, new Warnings());
        return new BundleManifest(
                BundleManifest.FORMAT,
                PaliGemmaConfig.MODEL_TYPE,
                "0123456789ab",
                "fp32",
                Instant.EPOCH,
                config.encoder(),
                config.projector(),
                config.decoder(DType.F32),
                config.generation(),
                config.preprocessingSection(),
                config.promptSection(),
                BundleManifest.Checkpoint.UNREMARKABLE,
                null);
    }

    @Override
    protected TokenizerFiles tokenizer(Path checkpoint) {
        return PaliGemmaConfig.read(checkpoint, new Warnings()).tokenizer();
    }

    @Override
    protected String pixelInput() {
        return "pixel_values";
    }

    @Override
    protected List<String> placeholders() {
        return List.of("<image>");
    }

    private static PaliGemmaPreprocessor preprocessor(int imageSize) {
        List<Double> half = List.of(0.5, 0.5, 0.5);
        return new PaliGemmaPreprocessor(new PaliGemmaPreprocessing(imageSize, 14, 1 / 255.0, half, half));
    }

    private PromptBuilder prompts() {
        return family().promptBuilder(
                        bundle(Goldens.find().checkpoints("paligemma").getFirst()));
    }

    private static PictureLayout layout() {
        return preprocessor(56).plan(PictureSource.still(300, 200), PixelLimits.NONE);
    }

    @ParameterizedTest
    @CsvSource({"224, 256", "448, 1024", "896, 4096"})
    void tokenCountsOfTheWorkedExamples(int imageSize, int tokens) {
        for (PictureSource source : List.of(PictureSource.still(1, 1), PictureSource.still(4000, 30))) {
            PictureLayout layout = preprocessor(imageSize).plan(source, PixelLimits.NONE);
            assertThat(layout.tokens()).isEqualTo(tokens);
            assertThat(layout.featureRows()).isEqualTo(tokens);
            assertThat(layout.resizedWidth()).isEqualTo(imageSize);
            assertThat(layout.resizedHeight()).isEqualTo(imageSize);
        }
    }

    @Test
    void aCallersLimitsDoNotChangeTheSquare() {
        PictureLayout layout = preprocessor(224).plan(PictureSource.still(50, 50), new PixelLimits(1L, 100L));
        assertThat(layout.resizedWidth()).isEqualTo(224);
    }

    @Test
    void patchesHoldChannelsThenRowsThenColumns() {
        byte[] pixels = new byte[56 * 56 * 3];
        // Column 15, row 16 is in the second patch of the second row of patches.
        pixels[(16 * 56 + 15) * 3 + 1] = (byte) 255;
        PaliGemmaPreprocessor preprocessor = preprocessor(56);
        Tensor values = Objects.requireNonNull(preprocessor
                .encoderInputs(
                        Tile.of(new RgbPicture(56, 56, pixels)),
                        layout().grids().getFirst())
                .get("pixel_values"));
        assertThat(values.shape()).containsExactly(16, 3 * 14 * 14);
        float[] floats = values.toFloats();
        int at = 5 * 588 + 196 + 2 * 14 + 1;
        for (int i = 0; i < floats.length; i++) {
            assertThat(floats[i]).isEqualTo(i == at ? 1f : -1f);
        }
    }

    @Test
    void allOfThePromptIsItsPrefixAndPositionsStartAtOne() {
        PreparedPrompt prompt = prompts()
                .prepare(
                        List.of(new ChatTurn(
                                "user", List.of(new ChatTurn.Text("caption en"), new ChatTurn.Picture(0)), false)),
                        List.of(layout()));
        assertThat(prompt.prefill()).isEqualTo(PreparedPrompt.Prefill.WHOLE_PREFIX);
        assertThat(prompt.text()).isEqualTo("<image><bos>caption en\n");
        assertThat(prompt.pictureTokens()).isEqualTo(16);
        assertThat(prompt.positions()[0][0]).isEqualTo(1);
        assertThat(prompt.nextPosition()).isEqualTo(prompt.length() + 1L);
    }

    @Test
    void oneUserTurnWithAPictureIsAllThatThereIs() {
        ChatTurn asked = new ChatTurn("user", List.of(new ChatTurn.Picture(0), new ChatTurn.Text("caption")), false);
        ChatTurn text = new ChatTurn("user", List.of(new ChatTurn.Text("caption")), true);
        assertThat(refused(List.of(text))).contains("holds no picture").contains("send one");
        assertThat(refused(List.of(text, asked))).contains("2 messages").contains("one user message");
        assertThat(refused(List.of(asked, new ChatTurn("assistant", List.of(new ChatTurn.Text("A cat.")), true), text)))
                .contains("role 'assistant'");
        assertThat(refused(List.of(new ChatTurn("system", List.of(new ChatTurn.Text("Be brief.")), true), asked)))
                .contains("system message")
                .contains("put it into the text");
        assertThat(refused(List.of())).contains("0 messages");
    }

    private String refused(List<ChatTurn> turns) {
        VlmException error =
                expect(ErrorCode.PROMPT_UNSUPPORTED, () -> prompts().prepare(turns, List.of(layout())));
        return Objects.requireNonNull(error.getMessage());
    }

    @Test
    void boxesOfAnAnswerAreInPixelsOfTheOnlyPicture() {
        String answer = "<loc0256><loc0512><loc0512><loc1023> red circle ; <loc0000><loc0000><loc0512><loc0512> sky";
        assertThat(prompts().regions(answer, new int[0], List.of(layout())))
                .containsExactly(
                        new Region("red circle", 0, 150, 50, 299.70703125, 100), new Region("sky", 0, 0, 0, 150, 100));
        assertThat(prompts().regions(answer, new int[0], List.of(layout(), layout())))
                .isEmpty();
        assertThat(prompts().regions("a red circle", new int[0], List.of(layout())))
                .isEmpty();
    }

    @Test
    void theFamilyAnnouncesItself() {
        assertThat(FamilyRegistry.load().ids()).contains("paligemma");
    }
}
