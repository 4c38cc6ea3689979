package org.vlmserve.families;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.TokenizerFiles;
import org.vlmserve.families.preprocess.PictureDecoder;
import org.vlmserve.families.preprocess.PicturePreprocessor;
import org.vlmserve.families.preprocess.RgbPicture;
import org.vlmserve.families.preprocess.Tile;
import org.vlmserve.families.prompt.PreparedPrompt;
import org.vlmserve.families.prompt.PromptBuilder;
import org.vlmserve.families.prompt.Tokenizer;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.Medium;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.Tensor;
import org.vlmserve.testing.GoldenCase;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import org.vlmserve.testing.TensorAssert;
import tools.jackson.databind.JsonNode;

/** What every family must do with its goldens: the same pixels, layouts, prompts, ids, positions and texts. */
public abstract class FamilyContractTest {

    private static final long MAX_PIXELS = 100_000_000;
    private static final PictureSource SMALL = PictureSource.still(64, 64);

    @TempDir
    private Path temporary;

    protected abstract ModelFamily family();

    /** The manifest that an import of this checkpoint writes. */
    protected abstract BundleManifest manifest(Path checkpoint);

    /** The tokenizer that an import of this checkpoint writes. */
    protected abstract TokenizerFiles tokenizer(Path checkpoint);

    /** The encoder input that holds pixels. */
    protected abstract String pixelInput();

    /** Texts that the chat template would take for a picture or a video. */
    protected abstract List<String> placeholders();

    protected final Bundle bundle(GoldenCheckpoint checkpoint) {
        Path directory = temporary.resolve(checkpoint.name());
        Bundle bundle = new Bundle(directory, manifest(checkpoint.directory()));
        try {
            if (!Files.exists(bundle.tokenizer())) {
                Files.createDirectories(directory.resolve("tokenizer"));
                Files.write(
                        bundle.tokenizer(), tokenizer(checkpoint.directory()).content());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bundle;
    }

    private List<GoldenCheckpoint> checkpoints() {
        List<GoldenCheckpoint> found = Goldens.find().checkpoints(family().id());
        assertThat(found).as("golden checkpoints of %s", family().id()).isNotEmpty();
        return found;
    }

    private interface CaseCheck {
        void check(Bundle bundle, GoldenCase golden) throws IOException;
    }

    private List<DynamicTest> forEachCase(CaseCheck check) {
        List<DynamicTest> tests = new ArrayList<>();
        for (GoldenCheckpoint checkpoint : checkpoints()) {
            for (GoldenCase golden : checkpoint.cases()) {
                tests.add(DynamicTest.dynamicTest(golden.toString(), () -> check.check(bundle(checkpoint), golden)));
            }
        }
        return tests;
    }

    @TestFactory
    List<DynamicTest> layoutsAndPixels() {
        return forEachCase((bundle, golden) -> {
            PicturePreprocessor preprocessor = family().preprocessor(bundle);
            List<Tensor> pixels = new ArrayList<>();
            for (GoldenCase.Picture expected : golden.pictures()) {
                List<RgbPicture> frames = new ArrayList<>();
                for (Path file : golden.filesOf(expected)) {
                    frames.add(PictureDecoder.decode(Files.readAllBytes(file), MAX_PIXELS));
                    assertThat(frames.getLast().width()).isEqualTo(expected.width());
                    assertThat(frames.getLast().height()).isEqualTo(expected.height());
                }
                PictureLayout layout = preprocessor.plan(source(expected), limits(expected));
                assertThat(layout.resizedWidth()).isEqualTo(expected.resizedWidth());
                assertThat(layout.resizedHeight()).isEqualTo(expected.resizedHeight());
                assertThat(layout.tokens()).isEqualTo(expected.tokens());
                assertThat(layout.featureRows())
                        .isEqualTo(layout.embeddingRows()
                                * bundle.manifest().projector().rowGroup());
                assertThat(layout.embeddingRows()).isEqualTo(expected.projectorRows());
                assertThat(layout.grids()).isEqualTo(grids(expected));
                List<Tile> tiles = preprocessor.tiles(frames, layout);
                assertThat(tiles).hasSameSizeAs(layout.grids());
                for (int i = 0; i < tiles.size(); i++) {
                    assertThat(pixels(tiles.get(i)))
                            .as("pixels of tile %d", i)
                            .isEqualTo(golden.tiles(expected).get(i).bytes());
                    pixels.add(preprocessor
                            .encoderInputs(tiles.get(i), layout.grids().get(i))
                            .get(pixelInput()));
                }
            }
            if (golden.has("pixel_values")) {
                if (golden.pictures().stream().anyMatch(GoldenCase.Picture::isVideo)) {
                    // The reference normalises frames in another order of operations than pictures.
                    TensorAssert.assertThat(joined(pixels)).isCloseTo(golden.pixelValues(), 2e-6);
                } else {
                    TensorAssert.assertThat(joined(pixels)).isIdenticalTo(golden.pixelValues());
                }
            }
        });
    }

    private static PictureSource source(GoldenCase.Picture picture) {
        return new PictureSource(
                picture.isVideo() ? Medium.VIDEO : Medium.PICTURE,
                picture.files().size(),
                picture.width(),
                picture.height());
    }

    private static List<PictureLayout.Grid> grids(GoldenCase.Picture picture) {
        return picture.grids().stream()
                .map(grid -> new PictureLayout.Grid(grid.get(0), grid.get(1), grid.get(2)))
                .toList();
    }

    private static byte[] pixels(Tile tile) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        tile.frames().forEach(frame -> all.writeBytes(frame.pixels()));
        return all.toByteArray();
    }

    private static Tensor joined(List<Tensor> parts) {
        int columns = parts.getFirst().dim(1);
        int rows = parts.stream().mapToInt(part -> part.dim(0)).sum();
        float[] all = new float[rows * columns];
        int at = 0;
        for (Tensor part : parts) {
            float[] values = part.toFloats();
            System.arraycopy(values, 0, all, at, values.length);
            at += values.length;
        }
        return Tensor.ofFloats(all, rows, columns);
    }

    private static PixelLimits limits(GoldenCase.Picture picture) {
        return new PixelLimits(picture.minPixels(), picture.maxPixels());
    }

    @TestFactory
    List<DynamicTest> prompts() {
        return forEachCase((bundle, golden) -> {
            PreparedPrompt prompt = prepare(bundle, golden);
            assertThat(prompt.text()).isEqualTo(golden.prompt());
            assertThat(prompt.tokenIds()).isEqualTo(golden.inputIds());
            assertThat(prompt.pictureTokens()).isEqualTo(golden.pictureTokens());
            assertThat(prompt.nextPosition()).isEqualTo(golden.nextPosition());
            long[] expected = golden.positionIds().longs();
            long[] positions = new long[expected.length];
            int channelStart = 0;
            for (long[] channel : prompt.positions()) {
                System.arraycopy(channel, 0, positions, channelStart, channel.length);
                channelStart += channel.length;
            }
            assertThat(positions).isEqualTo(expected);
            int[] pictures = new int[prompt.length()];
            int[] rows = new int[prompt.length()];
            Arrays.fill(pictures, -1);
            System.arraycopy(golden.inputIds(), 0, rows, 0, rows.length);
            for (int i = 0; i < golden.pictures().size(); i++) {
                GoldenCase.Picture picture = golden.pictures().get(i);
                for (int token = 0; token < picture.tokens(); token++) {
                    int row = picture.rows()[token];
                    int at = picture.firstToken() + token;
                    pictures[at] = row < 0 ? -1 : i;
                    rows[at] = row < 0 ? bundle.manifest().decoder().vocabulary() : row;
                }
            }
            assertThat(prompt.picture()).isEqualTo(pictures);
            assertThat(prompt.row()).isEqualTo(rows);
        });
    }

    private PreparedPrompt prepare(Bundle bundle, GoldenCase golden) {
        PicturePreprocessor preprocessor = family().preprocessor(bundle);
        List<PictureLayout> layouts = golden.pictures().stream()
                .map(picture -> preprocessor.plan(source(picture), limits(picture)))
                .toList();
        return family().promptBuilder(bundle)
                .prepare(turns(golden.request().messages()), layouts, templateArguments(golden));
    }

    private static Map<String, ?> templateArguments(GoldenCase golden) {
        Map<String, Object> arguments = new LinkedHashMap<>();
        Goldens.plainMap(golden.request().templateArguments()).forEach((name, value) -> {
            if (value != null) {
                arguments.put(name, value);
            }
        });
        return arguments;
    }

    private static List<ChatTurn> turns(JsonNode messages) {
        List<ChatTurn> turns = new ArrayList<>();
        int pictures = 0;
        for (JsonNode message : messages) {
            String role = message.path("role").asString();
            JsonNode content = message.path("content");
            if (content.isString()) {
                turns.add(new ChatTurn(role, List.of(new ChatTurn.Text(content.stringValue())), true));
                continue;
            }
            List<ChatTurn.Part> parts = new ArrayList<>();
            for (JsonNode part : content) {
                parts.add(
                        switch (part.path("type").asString()) {
                            case "text" -> new ChatTurn.Text(part.path("text").asString());
                            case "video" -> new ChatTurn.Video(pictures++);
                            default -> new ChatTurn.Picture(pictures++);
                        });
            }
            turns.add(new ChatTurn(role, parts, false));
        }
        return turns;
    }

    @TestFactory
    List<DynamicTest> tokens() {
        List<DynamicTest> tests = new ArrayList<>();
        for (GoldenCheckpoint checkpoint : checkpoints()) {
            for (GoldenCheckpoint.TokenizedText text : checkpoint.tokens().texts()) {
                tests.add(DynamicTest.dynamicTest(checkpoint + ": " + text, () -> {
                    Tokenizer tokenizer =
                            family().promptBuilder(bundle(checkpoint)).tokenizer();
                    assertThat(tokenizer.encode(text.text())).isEqualTo(text.ids());
                    assertThat(decoded(tokenizer, text.ids(), text.ids().length))
                            .isEqualTo(text.decodedWithoutSpecial());
                }));
            }
        }
        return tests;
    }

    @TestFactory
    List<DynamicTest> incrementalDecoding() {
        List<DynamicTest> tests = new ArrayList<>();
        for (GoldenCheckpoint checkpoint : checkpoints()) {
            for (GoldenCheckpoint.IncrementalDecoding list : checkpoint.tokens().incremental()) {
                tests.add(DynamicTest.dynamicTest(checkpoint + ": " + list, () -> {
                    Tokenizer tokenizer =
                            family().promptBuilder(bundle(checkpoint)).tokenizer();
                    String whole = list.prefixes().getLast();
                    Tokenizer.IncrementalDecoder decoder = tokenizer.incrementalDecoder();
                    StringBuilder text = new StringBuilder();
                    for (int k = 1; k <= list.ids().length; k++) {
                        text.append(decoder.next(list.ids()[k - 1]));
                        assertThat(whole).startsWith(text.toString());
                        assertThat(decoded(tokenizer, list.ids(), k))
                                .isEqualTo(list.prefixes().get(k - 1));
                    }
                    assertThat(text.append(decoder.finish()).toString()).isEqualTo(whole);
                }));
            }
        }
        return tests;
    }

    private static String decoded(Tokenizer tokenizer, int[] ids, int count) {
        Tokenizer.IncrementalDecoder decoder = tokenizer.incrementalDecoder();
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count; i++) {
            text.append(decoder.next(ids[i]));
        }
        return text.append(decoder.finish()).toString();
    }

    @TestFactory
    List<DynamicTest> answers() {
        return forEachCase((bundle, golden) -> {
            Tokenizer tokenizer = family().promptBuilder(bundle).tokenizer();
            assertThat(decoded(tokenizer, golden.generatedIds(), golden.generatedIds().length))
                    .isEqualTo(golden.text());
            for (GoldenCase.Step step : golden.steps()) {
                byte[] bytes = new byte[step.bytes().length];
                for (int i = 0; i < bytes.length; i++) {
                    bytes[i] = (byte) step.bytes()[i];
                }
                assertThat(tokenizer.bytes(step.id())).isEqualTo(bytes);
            }
        });
    }

    @Test
    void aUsersTextTakesNoPicturesPlace() {
        Bundle bundle = bundle(checkpoints().getFirst());
        PictureLayout layout = family().preprocessor(bundle).plan(SMALL, PixelLimits.NONE);
        PromptBuilder builder = family().promptBuilder(bundle);
        for (String placeholder : placeholders()) {
            List<ChatTurn> turns = List.of(new ChatTurn(
                    "user", List.of(new ChatTurn.Text("a " + placeholder + " b"), new ChatTurn.Picture(0)), false));
            expect(ErrorCode.PROMPT_UNSUPPORTED, () -> builder.prepare(turns, List.of(layout)));
        }
    }

    @Test
    void aPictureThatDidNotComeIsRefused() {
        PromptBuilder builder = family().promptBuilder(bundle(checkpoints().getFirst()));
        List<ChatTurn> turns = List.of(new ChatTurn("user", List.of(new ChatTurn.Picture(0)), false));
        expect(ErrorCode.PROMPT_UNSUPPORTED, () -> builder.prepare(turns, List.of()));
    }

    @Test
    void aPictureTakesNoVideosPlace() {
        Bundle bundle = bundle(checkpoints().getFirst());
        PictureLayout layout = family().preprocessor(bundle).plan(SMALL, PixelLimits.NONE);
        PromptBuilder builder = family().promptBuilder(bundle);
        List<ChatTurn> turns = List.of(new ChatTurn("user", List.of(new ChatTurn.Video(0)), false));
        expect(ErrorCode.PROMPT_UNSUPPORTED, () -> builder.prepare(turns, List.of(layout)));
    }

    @Test
    void limitsThatContradictThemselvesAreRefused() {
        PicturePreprocessor preprocessor =
                family().preprocessor(bundle(checkpoints().getFirst()));
        expect(ErrorCode.PIXEL_LIMITS_INVALID, () -> preprocessor.plan(SMALL, new PixelLimits(5000L, 4999L)));
        expect(ErrorCode.PIXEL_LIMITS_INVALID, () -> preprocessor.plan(SMALL, new PixelLimits(0L, null)));
        expect(ErrorCode.PIXEL_LIMITS_INVALID, () -> preprocessor.plan(SMALL, new PixelLimits(null, -1L)));
    }

    /** @return the error, for more questions */
    protected static VlmException expect(ErrorCode code, Runnable action) {
        VlmException[] caught = new VlmException[1];
        assertThatThrownBy(action::run).isInstanceOfSatisfying(VlmException.class, e -> {
            assertThat(e.code()).isEqualTo(code);
            caught[0] = e;
        });
        return Objects.requireNonNull(caught[0]);
    }
}
