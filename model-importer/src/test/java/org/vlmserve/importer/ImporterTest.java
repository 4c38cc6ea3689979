package org.vlmserve.importer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleReader;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;

class ImporterTest {

    @TempDir
    Path directory;

    private final GoldenCheckpoint golden = Goldens.find().checkpoint("qwen2_vl", "flat-tied");
    private Path bundles = Path.of("");

    @BeforeEach
    void makePlace() throws IOException {
        bundles = Files.createDirectory(directory.resolve("bundles"));
    }

    @Test
    void writesAWholeBundle() throws IOException {
        Bundle bundle = importInto("tiny", Precision.INT8, false);
        Bundle read = BundleReader.read(bundles.resolve("tiny"));
        assertThat(read.manifest()).isEqualTo(bundle.manifest());
        assertThat(read.manifest().revision()).matches("[0-9a-f]{12}");
        assertThat(read.manifest().precision()).isEqualTo("int8");
        assertThat(read.manifest().chatTemplate()).contains("<|im_start|>");
        assertThat(files(bundles.resolve("tiny")))
                .containsExactlyInAnyOrder(
                        "bundle.json",
                        "encoder/graph.onnx",
                        "encoder/weights.bin",
                        "projector/graph.onnx",
                        "projector/weights.bin",
                        "decoder/graph.onnx",
                        "decoder/weights.bin",
                        "decoder/embeddings.bin",
                        "tokenizer/tokenizer.json");
        assertThat(Files.size(read.decoderEmbeddings())).isEqualTo(416 * 96 * 2);
        assertThat(names(bundles)).containsExactly("tiny");
    }

    @Test
    void theSameCheckpointHasTheSameRevision() throws IOException {
        for (Precision precision : Precision.values()) {
            Bundle first = importInto("first-" + precision, precision, false);
            Bundle second = new Importer(new BundleStore(), Clock.fixed(Instant.ofEpochSecond(1), ZoneOffset.UTC))
                    .run(
                            golden.directory(),
                            bundles.resolve("second-" + precision),
                            ImportOptions.of(precision),
                            false,
                            ProgressListener.SILENT)
                    .bundle();
            assertThat(second.manifest().revision()).isEqualTo(first.manifest().revision());
            assertThat(second.manifest().importedAt()).isEqualTo(Instant.ofEpochSecond(1));
            for (String file : files(first.directory())) {
                if (!file.equals("bundle.json")) {
                    assertThat(second.directory().resolve(file))
                            .hasSameBinaryContentAs(first.directory().resolve(file));
                }
            }
        }
        assertThat(Stream.of(Precision.values())
                        .map(precision -> BundleReader.read(bundles.resolve("first-" + precision))
                                .manifest()
                                .revision())
                        .distinct())
                .hasSize(3);
    }

    @Test
    void anExistingBundleIsReplacedOnlyByForce() throws IOException {
        Files.writeString(Files.createDirectory(bundles.resolve("tiny")).resolve("note.txt"), "mine");
        assertFails(ErrorCode.INVALID_REQUEST, () -> importInto("tiny", Precision.INT8, false), "exists", "--force");
        assertThat(names(bundles.resolve("tiny"))).containsExactly("note.txt");
        importInto("tiny", Precision.INT8, true);
        assertThat(names(bundles.resolve("tiny"))).contains("bundle.json").doesNotContain("note.txt");
        assertThat(names(bundles)).containsExactly("tiny");
    }

    @Test
    void aFullDiskIsSeenBeforeAnythingIsWritten() throws IOException {
        BundleStore full = new BundleStore() {
            @Override
            long availableBytes(Path anywhere) {
                return 1000;
            }
        };
        assertFails(ErrorCode.DISK_FULL, () -> importInto(full, "tiny"), "has 1000 bytes free", "the bundle needs ");
        assertThat(names(bundles)).isEmpty();
    }

    @Test
    void aDiskThatFillsUpLeavesNothingBehind() throws IOException {
        Files.createDirectory(bundles.resolve("tiny"));
        AtomicLong left = new AtomicLong(300_000);
        BundleStore filling = new BundleStore() {
            @Override
            BundleFile create(Path file) throws IOException {
                return new BundleFile(FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                    @Override
                    public void write(ByteBuffer data, long offset) throws IOException {
                        if (left.addAndGet(-data.remaining()) < 0) {
                            throw new IOException("No space left on device");
                        }
                        super.write(data, offset);
                    }
                };
            }
        };
        assertFails(
                ErrorCode.DISK_FULL,
                () -> new Importer(filling, Clock.systemUTC())
                        .run(
                                golden.directory(),
                                bundles.resolve("tiny"),
                                ImportOptions.of(Precision.INT8),
                                true,
                                ProgressListener.SILENT),
                "bytes free, the bundle needs ");
        assertThat(left.get()).isNegative();
        assertThat(names(bundles)).containsExactly("tiny");
        assertThat(names(bundles.resolve("tiny"))).isEmpty();
    }

    @Test
    void aDamagedCheckpointLeavesNothingBehind() throws IOException {
        Path damaged = copyOfCheckpoint();
        Path shard = damaged.resolve("model-00002-of-00003.safetensors");
        byte[] whole = Files.readAllBytes(shard);
        Files.write(shard, Arrays.copyOf(whole, whole.length - 1));
        assertFails(
                ErrorCode.CHECKPOINT_UNREADABLE,
                () -> Importer.importCheckpoint(
                        damaged, bundles.resolve("tiny"), Precision.INT8, ProgressListener.SILENT),
                "model-00002-of-00003.safetensors",
                "cut short");
        assertThat(names(bundles)).isEmpty();
    }

    @Test
    void aConfigThatContradictsTheWeightsIsNamed() throws IOException {
        Path changed = copyOfCheckpoint();
        change(changed, "\"intermediate_size\": 128", "\"intermediate_size\": 130");
        assertFails(
                ErrorCode.CHECKPOINT_UNREADABLE,
                () -> Importer.importCheckpoint(
                        changed, bundles.resolve("tiny"), Precision.INT8, ProgressListener.SILENT),
                "gate_proj.weight has shape [128, 96]",
                "asks for [130, 96]");
    }

    /** Every value of the golden is exact in double precision, so nothing may change. */
    @Test
    void aCheckpointInDoublePrecisionIsTheSame() throws IOException {
        for (String[] name : new String[][] {{"qwen2_vl", "nested-untied"}, {"llava_next", "mistral-window"}}) {
            GoldenCheckpoint floats = Goldens.find().checkpoint(name[0], name[1]);
            TinyCheckpoint doubles = TinyCheckpoint.copy(floats, directory.resolve(name[1]));
            doubles.weights().widen();
            doubles.save();
            Bundle expected = Importer.importCheckpoint(
                    floats.directory(), bundles.resolve(name[1]), Precision.INT8, ProgressListener.SILENT);
            Bundle actual = Importer.importCheckpoint(
                    doubles.directory(),
                    bundles.resolve(name[1] + "-doubles"),
                    Precision.INT8,
                    ProgressListener.SILENT);
            assertThat(files(actual.directory())).isEqualTo(files(expected.directory()));
            for (String file : files(expected.directory())) {
                if (!file.equals("bundle.json")) {
                    assertThat(actual.directory().resolve(file))
                            .hasSameBinaryContentAs(expected.directory().resolve(file));
                }
            }
        }
    }

    @Test
    void anUntiedHeadThatIsMissingIsNamed() throws IOException {
        Path changed = copyOfCheckpoint();
        change(changed, "\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false");
        assertFails(
                ErrorCode.CHECKPOINT_UNREADABLE,
                () -> Importer.importCheckpoint(
                        changed, bundles.resolve("tiny"), Precision.INT8, ProgressListener.SILENT),
                "tensor lm_head.weight is missing");
    }

    @Test
    void anUnknownArchitectureIsNamed() throws IOException {
        Path changed = copyOfCheckpoint();
        change(changed, "\"model_type\": \"qwen2_vl\"", "\"model_type\": \"somebody_elses\"");
        assertFails(
                ErrorCode.CHECKPOINT_UNSUPPORTED,
                () -> Importer.importCheckpoint(
                        changed, bundles.resolve("tiny"), Precision.INT8, ProgressListener.SILENT),
                "a checkpoint of somebody_elses (Qwen2VLForConditionalGeneration)",
                "supported: ",
                "qwen2_vl");
        assertFails(
                ErrorCode.CHECKPOINT_UNREADABLE,
                () -> Importer.importCheckpoint(
                        directory.resolve("none"), bundles.resolve("tiny"), Precision.INT8, ProgressListener.SILENT),
                "is no directory");
    }

    @Test
    void theCommandSaysWhatItMadeAndWhatWentWrong() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        String checkpoint = golden.directory().toString();
        String target = bundles.resolve("tiny").toString();
        assertThat(command(out, err, checkpoint, target, "--precision", "int4")).isZero();
        assertThat(out.toString(StandardCharsets.UTF_8)).matches("(?s).*tiny qwen2_vl int4 [0-9a-f]{12}\\R");
        assertThat(err.toString(StandardCharsets.UTF_8)).contains("100 %");
        err.reset();
        assertThat(command(out, err, checkpoint, target)).isEqualTo(1);
        assertThat(err.toString(StandardCharsets.UTF_8).lines())
                .singleElement()
                .asString()
                .startsWith("invalid_request (1001): " + target + " exists");
        for (List<String> wrong : List.of(
                List.of(checkpoint),
                List.of(checkpoint, target, "--precision"),
                List.of(checkpoint, target, "--precision=int3"),
                List.of(checkpoint, target, "--quick"))) {
            err.reset();
            assertThat(command(out, err, wrong.toArray(String[]::new))).isEqualTo(2);
            assertThat(err.toString(StandardCharsets.UTF_8)).contains(ImportCommand.USAGE);
        }
        assertThat(command(out, err, checkpoint, target, "--force", "--precision=fp32"))
                .isZero();
    }

    @Test
    void theCommandTakesAnotherChatTemplateAndRefusesATowerThatIsNotNeeded() throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        String checkpoint = golden.directory().toString();
        String target = bundles.resolve("tiny").toString();
        Path template = Files.writeString(directory.resolve("plain.jinja"), "{{ messages[0].content }}");
        assertThat(command(out, err, checkpoint, target, "--chat-template", template.toString()))
                .isZero();
        assertThat(BundleReader.read(bundles.resolve("tiny")).manifest().chatTemplate())
                .isEqualTo("{{ messages[0].content }}");
        err.reset();
        assertThat(command(out, err, checkpoint, target, "--force", "--chat-template=" + directory.resolve("none")))
                .isEqualTo(1);
        assertThat(lastLine(err)).startsWith("checkpoint_unreadable (4001): ");
        err.reset();
        assertThat(command(out, err, checkpoint, target, "--force", "--vision-tower", checkpoint))
                .isEqualTo(1);
        assertThat(lastLine(err))
                .startsWith("invalid_request (1001): --vision-tower is " + checkpoint)
                .contains("holds its own");
    }

    @Test
    void aTerminalSeesOneLineThatIsDrawnAnew() {
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        ProgressBar bar = new ProgressBar(new PrintStream(err, true, StandardCharsets.UTF_8), true);
        bar.started(3 << 20);
        bar.written(1 << 20);
        bar.finishing();
        assertThat(err.toString(StandardCharsets.UTF_8))
                .startsWith("\r[")
                .contains("[##############################] 100 %  3 of 3 MiB")
                .contains("0:00 left");
    }

    private static int command(ByteArrayOutputStream out, ByteArrayOutputStream err, String... arguments) {
        return ImportCommand.run(
                arguments,
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8),
                false);
    }

    private Bundle importInto(String name, Precision precision, boolean force) {
        return new Importer()
                .run(
                        golden.directory(),
                        bundles.resolve(name),
                        ImportOptions.of(precision),
                        force,
                        ProgressListener.SILENT)
                .bundle();
    }

    private Bundle importInto(BundleStore store, String name) {
        return new Importer(store, Clock.systemUTC())
                .run(
                        golden.directory(),
                        bundles.resolve(name),
                        ImportOptions.of(Precision.INT8),
                        false,
                        ProgressListener.SILENT)
                .bundle();
    }

    private Path copyOfCheckpoint() throws IOException {
        Path copy = Files.createDirectory(directory.resolve("checkpoint"));
        for (String name : names(golden.directory())) {
            Files.copy(golden.directory().resolve(name), copy.resolve(name));
        }
        return copy;
    }

    private static void change(Path checkpoint, String from, String to) throws IOException {
        Path config = checkpoint.resolve("config.json");
        String text = Files.readString(config);
        assertThat(text).contains(from);
        Files.writeString(config, text.replace(from, to));
    }

    private static void assertFails(ErrorCode code, ThrowingCallable call, String... parts) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(code))
                .message()
                .contains(List.of(parts));
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> String.valueOf(file.getFileName()))
                    .sorted()
                    .toList();
        }
    }

    private static List<String> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(Files::isRegularFile)
                    .map(file -> folder.relativize(file).toString())
                    .toList();
        }
    }

    /** Where an import that fails says why. */
    private static String lastLine(ByteArrayOutputStream err) {
        return err.toString(StandardCharsets.UTF_8).lines().reduce("", (before, line) -> line);
    }
}
