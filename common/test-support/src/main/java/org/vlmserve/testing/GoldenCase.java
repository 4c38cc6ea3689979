package org.vlmserve.testing;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** A request, and what the reference makes of it at every stage. */
public final class GoldenCase {

    /**
     * @param messages OpenAI-style; a picture is {@code {"type": "image_url", "image_url": {"url": "pictures/…"}}}, its
     *     path below the goldens, and may bring {@code min_pixels} and {@code max_pixels}
     * @param templateArguments further variables for the chat template
     */
    public record Request(JsonNode messages, int maxTokens, JsonNode templateArguments) {}

    /**
     * A picture or video of the request, in order.
     *
     * @param files one, or a video's frames
     * @param medium {@code video}, or null for a picture
     * @param minPixels the limits used, or null in a family without them
     * @param maxPixels the limits used, or null in a family without them
     * @param resizedWidth of the canvas, before it is cut into tiles
     * @param resizedHeight of the canvas, before it is cut into tiles
     * @param grids patches in time, height and width of each encoder run
     * @param tokens how many placeholders it takes in the prompt
     * @param firstToken the index of the first of them in {@link #inputIds()}
     * @param projectorRows how many rows of {@link #projectorOutput()} are its own
     * @param tiles for each encoder run a file of the pixels that it sees, {@code |u1} [height, width, 3] or
     *     [frames, height, width, 3]
     * @param splice which of its projector rows fills each placeholder, -1 for a learned newline; or null for 0, 1, 2 …
     */
    public record Picture(
            List<String> files,
            @Nullable String medium,
            int width,
            int height,
            @Nullable Long minPixels,
            @Nullable Long maxPixels,
            int resizedWidth,
            int resizedHeight,
            List<List<Integer>> grids,
            int tokens,
            int firstToken,
            int projectorRows,
            List<String> tiles,
            @Nullable List<Integer> splice) {

        public boolean isVideo() {
            return "video".equals(medium);
        }

        /** [tokens], the projector row of each placeholder, -1 for a learned newline. */
        public int[] rows() {
            return splice == null
                    ? IntStream.range(0, tokens).toArray()
                    : splice.stream().mapToInt(Integer::intValue).toArray();
        }
    }

    /** @param bytes what the token adds to the answer's UTF-8 */
    public record Token(int id, double logprob, String text, int[] bytes) {}

    /**
     * One generated token.
     *
     * @param logprob natural logarithm, of the raw logits' softmax in float32
     * @param top the five best, best first
     */
    public record Step(int id, double logprob, String text, int[] bytes, List<Token> top) {}

    private record Expected(
            String prompt,
            int[] inputIds,
            int promptTokens,
            int pictureTokens,
            List<Picture> pictures,
            String prefill,
            long nextPosition,
            Map<String, String> arrays,
            int[] generatedIds,
            String text,
            String finishReason,
            double smallestMargin,
            List<Step> steps) {}

    private record Document(String name, String about, Request request, Expected expected) {}

    private final Goldens goldens;
    private final GoldenCheckpoint checkpoint;
    private final Path directory;
    private final Document document;

    private GoldenCase(Goldens goldens, GoldenCheckpoint checkpoint, Path directory, Document document) {
        this.goldens = goldens;
        this.checkpoint = checkpoint;
        this.directory = directory;
        this.document = document;
    }

    static GoldenCase read(Goldens goldens, GoldenCheckpoint checkpoint, Path directory) {
        return new GoldenCase(
                goldens, checkpoint, directory, Goldens.read(directory.resolve("case.json"), Document.class));
    }

    public GoldenCheckpoint checkpoint() {
        return checkpoint;
    }

    public String name() {
        return document.name();
    }

    public String about() {
        return document.about();
    }

    public Request request() {
        return document.request();
    }

    /** The rendered chat template, each picture still one placeholder. */
    public String prompt() {
        return document.expected().prompt();
    }

    /** The prompt's tokens, each picture as many placeholders as it has tokens. */
    public int[] inputIds() {
        return document.expected().inputIds().clone();
    }

    public int promptTokens() {
        return document.expected().promptTokens();
    }

    public int pictureTokens() {
        return document.expected().pictureTokens();
    }

    public List<Picture> pictures() {
        return document.expected().pictures();
    }

    /** Where a picture's file lies, or the files of a video's frames. */
    public List<Path> filesOf(Picture picture) {
        return picture.files().stream().map(goldens::file).toList();
    }

    /** What each encoder run sees before normalisation, {@code |u1} [height, width, 3] or [frames, height, width, 3]. */
    public List<NpyArray> tiles(Picture picture) {
        return picture.tiles().stream()
                .map(tile -> NpyArray.read(directory.resolve(tile)))
                .toList();
    }

    /** {@code causal} or {@code whole_prefix}. */
    public String prefill() {
        return document.expected().prefill();
    }

    /** The position of the first generated token in all channels; each further token is one more. */
    public long nextPosition() {
        return document.expected().nextPosition();
    }

    /** The answer's ids, with the one that ended it. */
    public int[] generatedIds() {
        return document.expected().generatedIds().clone();
    }

    /** The answer without special tokens. */
    public String text() {
        return document.expected().text();
    }

    /** {@code stop} or {@code length}. */
    public String finishReason() {
        return document.expected().finishReason();
    }

    /** The least distance between the two best log-probabilities over all steps: how sure the ids are. */
    public double smallestMargin() {
        return document.expected().smallestMargin();
    }

    public List<Step> steps() {
        return document.expected().steps();
    }

    /** Whether the case stores that array; {@code pixel_values} is left out of most, for its size. */
    public boolean has(String array) {
        return document.expected().arrays().containsKey(array);
    }

    /** @throws IllegalArgumentException if the case does not store that array */
    public NpyArray array(String array) {
        String file = document.expected().arrays().get(array);
        if (file == null) {
            throw new IllegalArgumentException(this + " stores no " + array + ", only "
                    + document.expected().arrays().keySet());
        }
        return NpyArray.read(directory.resolve(file));
    }

    /** The encoder's input, all pictures one after the other. */
    public NpyArray pixelValues() {
        return array("pixel_values");
    }

    /** [rows, width of the encoder], what the projector gets. */
    public NpyArray encoderOutput() {
        return array("encoder_output");
    }

    /** [rows, width of the language model], in the encoder's order. */
    public NpyArray projectorOutput() {
        return array("projector_output");
    }

    /** [picture tokens, width of the language model], as they stand in the prompt, newlines included. */
    public NpyArray pictureEmbeddings() {
        return array(has("picture_embeddings") ? "picture_embeddings" : "projector_output");
    }

    /** [channels, prompt tokens]. */
    public NpyArray positionIds() {
        return array("position_ids");
    }

    /** [vocabulary]: the logits after the whole prompt, from which the first token is chosen. */
    public NpyArray promptLogits() {
        return array("prompt_logits");
    }

    @Override
    public String toString() {
        return checkpoint + "/" + name();
    }
}
