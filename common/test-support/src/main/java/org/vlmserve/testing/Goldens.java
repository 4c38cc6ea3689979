package org.vlmserve.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.json.JsonMapper;

/**
 * The folder of golden files. It is named by the system property {@code vlm.goldens}, or else found by walking up from
 * the working directory to the first {@code goldens/versions.json}. What the files mean stands in the folder's README.
 */
public final class Goldens {

    private static final JsonMapper JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .build();

    private final Path root;

    private Goldens(Path root) {
        this.root = root;
    }

    /** @throws IllegalStateException if there is no such folder */
    public static Goldens find() {
        String named = System.getProperty("vlm.goldens");
        if (named != null && !named.isBlank()) {
            return at(Path.of(named));
        }
        Path start = Path.of("").toAbsolutePath();
        for (Path folder = start; folder != null; folder = folder.getParent()) {
            if (Files.exists(folder.resolve("goldens/versions.json"))) {
                return at(folder.resolve("goldens"));
            }
        }
        throw new IllegalStateException("no goldens/versions.json in " + start
                + " or above it; set -Dvlm.goldens=<folder>, or write them with goldens/make_goldens.py");
    }

    /** @throws IllegalStateException if {@code root} holds no versions.json */
    public static Goldens at(Path root) {
        if (!Files.exists(root.resolve("versions.json"))) {
            throw new IllegalStateException(root + " holds no versions.json, so it is no folder of goldens");
        }
        return new Goldens(root.toAbsolutePath().normalize());
    }

    public Path root() {
        return root;
    }

    /** A file by its path below the folder, as {@code pictures/tiny-10x7.png}. */
    public Path file(String relative) {
        return root.resolve(relative);
    }

    /** Version of a package that made the files, as {@code transformers}. */
    public String versionOf(String packageName) {
        return json("versions.json").path("versions").path(packageName).asString();
    }

    /** Every checkpoint of every family. */
    public List<GoldenCheckpoint> checkpoints() {
        List<GoldenCheckpoint> found = new ArrayList<>();
        for (Path family : folders(root)) {
            for (Path checkpoint : folders(family)) {
                if (Files.exists(checkpoint.resolve("checkpoint/config.json"))) {
                    found.add(new GoldenCheckpoint(this, nameOf(family), nameOf(checkpoint), checkpoint));
                }
            }
        }
        return found;
    }

    /** @param family the name of its folder: {@code model_type} in its configuration */
    public List<GoldenCheckpoint> checkpoints(String family) {
        return checkpoints().stream().filter(c -> c.family().equals(family)).toList();
    }

    /** @throws IllegalArgumentException if there is none of that name */
    public GoldenCheckpoint checkpoint(String family, String name) {
        return checkpoints(family).stream()
                .filter(c -> c.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no golden checkpoint " + family + "/" + name
                        + "; there are "
                        + checkpoints().stream().map(GoldenCheckpoint::toString).toList()));
    }

    /** Every case of every checkpoint of one family, for parameterised tests. */
    public List<GoldenCase> cases(String family) {
        return checkpoints(family).stream().flatMap(c -> c.cases().stream()).toList();
    }

    // ---- Picture files, sizes, pixels ----

    /**
     * A picture file and the RGB that the reference reads from it.
     *
     * @param file below {@code pixels/decode}
     * @param expected a {@code |u1} array [height, width, 3] below {@code pixels/decode}
     * @param lossless whether every correct decoder gives these very values (a JPEG's or lossy WebP's may differ a little)
     */
    public record Decoding(
            String file,
            String expected,
            String viewer,
            String about,
            boolean lossless,
            String pillowMode,
            int storedWidth,
            int storedHeight,
            int width,
            int height) {
        @Override
        public String toString() {
            return file + ": " + about;
        }
    }

    /** A file that the reference refuses. */
    public record BrokenPicture(String file, String about, String referenceError) {}

    private record Decodings(List<Decoding> pictures, List<BrokenPicture> errors) {}

    /** @param input a {@code |u1} array [h, w, 3] below {@code pixels/resize}, as is {@code expected} */
    public record Resizing(String input, int width, int height, String expected) {}

    private record Resizings(List<Resizing> cases) {}

    /** What a resize to whole cells makes of a picture's size; without a result where it refuses. */
    public record SmartResize(
            int height,
            int width,
            int factor,
            long minPixels,
            long maxPixels,
            @Nullable Integer resizedHeight,
            @Nullable Integer resizedWidth) {
        /** Whether the reference raises an error. */
        public boolean refused() {
            return resizedHeight == null;
        }
    }

    /** @param expected a {@code <f4} array [256, 3] below {@code pixels/normalize}: value, channel */
    public record Normalizing(
            String name, double rescaleFactor, List<Double> imageMean, List<Double> imageStd, String expected) {}

    private record Normalizings(List<Normalizing> cases) {}

    public List<Decoding> decodings() {
        return read("pixels/decode/decode.json", Decodings.class).pictures();
    }

    public List<BrokenPicture> brokenPictures() {
        return read("pixels/decode/decode.json", Decodings.class).errors();
    }

    public List<Resizing> resizings() {
        return read("pixels/resize/resize.json", Resizings.class).cases();
    }

    public List<SmartResize> smartResizes() {
        JsonNode table = json("pixels/smart_resize.json");
        List<SmartResize> found = new ArrayList<>();
        for (JsonNode row : table.path("results")) {
            found.add(new SmartResize(
                    row.path(0).asInt(),
                    row.path(1).asInt(),
                    row.path(2).asInt(),
                    row.path(3).asLong(),
                    row.path(4).asLong(),
                    row.path(5).asInt(),
                    row.path(6).asInt()));
        }
        for (JsonNode row : table.path("errors")) {
            found.add(JSON.treeToValue(row, SmartResize.class));
        }
        return found;
    }

    /**
     * A wish for frames of a video, and which are taken; or, where the reference fails, the exception's name.
     *
     * @param total frames of the video
     * @param sourceFps of the video
     */
    public record FrameWish(
            int total,
            double sourceFps,
            @Nullable Double fps,
            @Nullable Integer numFrames,
            int minFrames,
            int maxFrames,
            int @Nullable [] indices,
            @Nullable String error) {}

    private record FrameWishes(List<FrameWish> results, List<FrameWish> errors) {}

    public List<FrameWish> frameWishes() {
        FrameWishes table = read("pixels/sample_frames.json", FrameWishes.class);
        List<FrameWish> found = new ArrayList<>(table.results());
        found.addAll(table.errors());
        return found;
    }

    public List<Normalizing> normalizings() {
        return read("pixels/normalize/normalize.json", Normalizings.class).cases();
    }

    /**
     * How pictures are cut into tiles.
     *
     * @param pinpoints height and width of the canvases that are tried, in order
     * @param results each height, width, height and width of the chosen canvas, tokens
     */
    public record Tilings(
            String name, int tileSize, int patchSize, List<List<Integer>> pinpoints, List<List<Integer>> results) {
        @Override
        public String toString() {
            return name;
        }
    }

    private record TilingTables(List<String> columns, List<Tilings> tables) {}

    public List<Tilings> tilings() {
        return read("pixels/anyres.json", TilingTables.class).tables();
    }

    // ---- Chat templates ----

    /**
     * A template, what it is rendered with, and the text; or, where the reference fails, the exception's name.
     *
     * @param name template and chat, or the group of a piece
     * @param messages a list of OpenAI-style messages
     * @param arguments every other variable: {@code add_generation_prompt}, {@code bos_token}, {@code tools} …
     */
    public record Rendering(
            String name,
            String template,
            JsonNode messages,
            JsonNode arguments,
            @Nullable String expected,
            @Nullable String error,
            @Nullable String errorMessage) {
        @Override
        public String toString() {
            return name;
        }
    }

    private record Chats(List<Template> templates) {
        private record Template(String name, String template, List<Rendering> cases) {}
    }

    private record Pieces(JsonNode context, List<Piece> pieces) {
        private record Piece(
                String group,
                String template,
                @Nullable String expected,
                @Nullable String error,
                @Nullable String errorMessage) {}
    }

    /** Whole chat templates over many conversations. */
    public List<Rendering> chatRenderings() {
        List<Rendering> found = new ArrayList<>();
        for (Chats.Template template : read("templates/chats.json", Chats.class).templates()) {
            for (Rendering one : template.cases()) {
                found.add(new Rendering(
                        template.name() + ": " + one.name(),
                        template.template(),
                        one.messages(),
                        one.arguments(),
                        one.expected(),
                        one.error(),
                        one.errorMessage()));
            }
        }
        return found;
    }

    /** Small pieces of Jinja, each rendered with the same variables and no message. */
    public List<Rendering> pieceRenderings() {
        Pieces all = read("templates/pieces.json", Pieces.class);
        JsonNode none = JSON.createArrayNode();
        return all.pieces().stream()
                .map(p -> new Rendering(
                        p.group() + ": " + p.template(),
                        p.template(),
                        none,
                        all.context(),
                        p.expected(),
                        p.error(),
                        p.errorMessage()))
                .toList();
    }

    // ---- Reading ----

    /** An array by its path below the folder. */
    public NpyArray array(String relative) {
        return NpyArray.read(file(relative));
    }

    /** A JSON file by its path below the folder. */
    public JsonNode json(String relative) {
        return JSON.readTree(file(relative).toFile());
    }

    /** JSON as plain maps, lists, strings, numbers, booleans and nulls, as template engines want it. */
    @SuppressWarnings("unchecked")
    public static Map<String, @Nullable Object> plainMap(JsonNode object) {
        return JSON.treeToValue(object, Map.class);
    }

    /** As {@link #plainMap}, for an array. */
    @SuppressWarnings("unchecked")
    public static List<@Nullable Object> plainList(JsonNode array) {
        return JSON.treeToValue(array, List.class);
    }

    <T> T read(String relative, Class<T> type) {
        return JSON.readValue(file(relative).toFile(), type);
    }

    static <T> T read(Path file, Class<T> type) {
        return JSON.readValue(file.toFile(), type);
    }

    static List<Path> folders(Path parent) {
        if (!Files.isDirectory(parent)) {
            return List.of();
        }
        try (Stream<Path> children = Files.list(parent)) {
            return children.filter(Files::isDirectory).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String nameOf(Path folder) {
        return folder.getFileName().toString();
    }
}
