package org.vlmserve.testing;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
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
     * A picture of the request, in order.
     *
     * @param tokens how many placeholders it takes in the prompt
     * @param firstToken the index of the first of them in {@link #inputIds()}
     * @param resized file of the resized picture, {@code |u1} [height, width, 3]
     */
    public record Picture(
            String file,
            int width,
            int height,
            int minPixels,
            int maxPixels,
            int resizedWidth,
            int resizedHeight,
            int[] gridThw,
            int tokens,
            int firstToken,
            String resized) {}

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
            int mropeDelta,
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

    /** Where a picture's file lies. */
    public Path fileOf(Picture picture) {
        return goldens.file(picture.file());
    }

    /** The resized picture before normalisation, {@code |u1} [height, width, 3]. */
    public NpyArray resized(Picture picture) {
        return NpyArray.read(directory.resolve(picture.resized()));
    }

    /** A generated token at index i of the whole sequence, prompt included, has position i + delta in all channels. */
    public int mropeDelta() {
        return document.expected().mropeDelta();
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

    /** [patches, channels × frames × patch × patch], all pictures one after the other. */
    public NpyArray pixelValues() {
        return array("pixel_values");
    }

    /** [patches, width of the encoder], before the merger. */
    public NpyArray encoderOutput() {
        return array("encoder_output");
    }

    /** [picture tokens, width of the language model]. */
    public NpyArray projectorOutput() {
        return array("projector_output");
    }

    /** [3, prompt tokens]: time, height, width. */
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
