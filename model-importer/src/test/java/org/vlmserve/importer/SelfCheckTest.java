package org.vlmserve.importer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.onnx.Int8Weights;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A bundle that computes nonsense, or that this machine computes wrongly, is not published. */
class SelfCheckTest {

    @TempDir
    Path directory;

    private final GoldenCheckpoint golden = Goldens.find().checkpoints().stream()
            .filter(checkpoint -> checkpoint.visionTower() == null)
            .findFirst()
            .orElseThrow();
    private Path bundles;

    @BeforeEach
    void folder() throws IOException {
        bundles = Files.createDirectory(directory.resolve("bundles"));
    }

    @ParameterizedTest
    @EnumSource(
            value = Precision.class,
            names = {"INT8", "INT4"})
    void weightsThatAreNotTheCheckpointsAreFound(Precision precision) throws IOException {
        BundleStore changing = new BundleStore() {
            @Override
            BundleFile create(Path file) throws IOException {
                boolean decoder = file.endsWith(Path.of("decoder", "weights.bin"));
                return new BundleFile(FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                    @Override
                    public void write(ByteBuffer data, long offset) throws IOException {
                        super.write(decoder ? changed(data) : data, offset);
                    }
                };
            }
        };
        Importer importer = new Importer(changing, Clock.systemUTC());
        assertFails(ErrorCode.INTERNAL, () -> run(importer, golden.directory(), precision), "is not published");
    }

    /** Every 16th byte: of floats the ones that say least, of small numbers as many as of any. */
    private static ByteBuffer changed(ByteBuffer data) {
        ByteBuffer copy =
                ByteBuffer.allocate(data.remaining()).put(data.duplicate()).flip();
        for (int i = 0; i < copy.limit(); i += 16) {
            copy.put(i, (byte) (copy.get(i) ^ 0x11));
        }
        return copy;
    }

    @ParameterizedTest
    @EnumSource
    void aWeightThatIsNoNumberIsNamed(Precision precision) throws IOException {
        Path damaged = withValues("layers.0.mlp.up_proj.weight", Float.NaN, 1);
        assertFails(
                ErrorCode.CHECKPOINT_UNREADABLE,
                () -> run(new Importer(), damaged, precision),
                "decoder layers.0.mlp.up",
                "no finite numbers");
    }

    @ParameterizedTest
    @EnumSource
    void weightsThatGiveNoNumbersAreRefused(Precision precision) throws IOException {
        Path damaged = withValues("norm.weight", Float.MAX_VALUE, Integer.MAX_VALUE);
        assertFails(
                ErrorCode.CHECKPOINT_UNREADABLE,
                () -> run(new Importer(), damaged, precision),
                "logits of a prompt",
                "are not");
    }

    /** What the check is told to use, it uses: the remedy for processors without VNNI passes on every one. */
    @Test
    void aBundleIsCheckedWithTheKernelsThatAreAskedFor() throws IOException {
        EngineOptions unsigned = EngineOptions.ofThreads(1).withInt8Weights(Int8Weights.UNSIGNED);
        run(new Importer(new BundleStore(), Clock.systemUTC(), unsigned), golden.directory(), Precision.INT8);
        assertThat(bundles.resolve("tiny")).isDirectory();
    }

    @Test
    void aProcessorWithoutARightKernelGetsNoBundleOfThatPrecision() throws IOException {
        Path java = directory.resolve("java");
        Files.writeString(java, """
                #!/bin/sh
                echo 'kernel ROWWISE_SIGNED WRONG'
                echo 'kernel ROWWISE_UNSIGNED WRONG'
                echo 'kernel BLOCK_INT8 RIGHT'
                echo 'kernel BLOCK_INT4 RIGHT'
                """);
        Files.setPosixFilePermissions(java, PosixFilePermissions.fromString("rwx------"));
        EngineOptions old = EngineOptions.ofThreads(1).withJava(java).withProcessor("one of long ago");
        Importer importer = new Importer(new BundleStore(), Clock.systemUTC(), old);
        assertFails(
                ErrorCode.PROCESSOR_UNSUPPORTED,
                () -> run(importer, golden.directory(), Precision.INT8),
                "import the checkpoint with --precision fp32");
        run(importer, golden.directory(), Precision.FP32);
    }

    @Test
    void theCheckTellsItsSteps() {
        List<Integer> announced = Collections.synchronizedList(new ArrayList<>());
        List<Integer> done = Collections.synchronizedList(new ArrayList<>());
        new Importer()
                .run(
                        golden.directory(),
                        bundles.resolve("tiny"),
                        ImportOptions.of(Precision.INT8),
                        false,
                        new ProgressListener() {
                            @Override
                            public void judging() {}

                            @Override
                            public void started(long totalBytes) {}

                            @Override
                            public void written(long bytes) {}

                            @Override
                            public void finishing() {}

                            @Override
                            public void checking(int steps) {
                                announced.add(steps);
                            }

                            @Override
                            public void checked() {
                                done.add(1);
                            }
                        });
        assertThat(announced).containsExactly(done.size());
    }

    private void run(Importer importer, Path checkpoint, Precision precision) {
        importer.run(checkpoint, bundles.resolve("tiny"), ImportOptions.of(precision), false, ProgressListener.SILENT);
    }

    /** A copy of the checkpoint whose tensor that ends with {@code name} begins with {@code count} times {@code value}. */
    private Path withValues(String name, float value, int count) throws IOException {
        Path copy = Files.createDirectory(directory.resolve("checkpoint"));
        int changed = 0;
        for (Path file : files(golden.directory())) {
            byte[] bytes = Files.readAllBytes(file);
            if (file.toString().endsWith(".safetensors")) {
                changed += change(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN), name, value, count);
            }
            Files.write(copy.resolve(file.getFileName()), bytes);
        }
        assertThat(changed).isEqualTo(1);
        return copy;
    }

    private static int change(ByteBuffer file, String name, float value, int count) {
        int header = (int) file.getLong(0);
        JsonNode tensors =
                JsonMapper.shared().readTree(new String(file.array(), Long.BYTES, header, StandardCharsets.UTF_8));
        int changed = 0;
        for (var tensor : tensors.properties()) {
            String path = tensor.getKey();
            if (!path.endsWith("." + name) || path.contains("vis")) {
                continue;
            }
            int begin = Long.BYTES
                    + header
                    + tensor.getValue().path("data_offsets").get(0).asInt();
            int end = Long.BYTES
                    + header
                    + tensor.getValue().path("data_offsets").get(1).asInt();
            int size = tensor.getValue().path("dtype").asString().equals("F32") ? Float.BYTES : Short.BYTES;
            for (int i = 0; i < count && begin + i * size < end; i++) {
                if (size == Float.BYTES) {
                    file.putFloat(begin + i * size, value);
                } else {
                    assertThat(tensor.getValue().path("dtype").asString()).isEqualTo("BF16");
                    file.putShort(begin + i * size, (short) (Float.floatToIntBits(value) >> 16));
                }
            }
            changed++;
        }
        return changed;
    }

    private void assertFails(ErrorCode code, Runnable call, String... parts) throws IOException {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(code))
                .message()
                .contains(List.of(parts));
        assertThat(files(bundles)).as("what is left behind").isEmpty();
    }

    private static List<Path> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }
}
