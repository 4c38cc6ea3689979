package org.vlmserve.importer.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.testing.Goldens;
import tools.jackson.databind.JsonNode;

class TorchFileTest {

    private static final Goldens GOLDENS = Goldens.find();

    @TempDir
    Path directory;

    @TestFactory
    List<DynamicTest> readsWhatTorchWrote() {
        List<DynamicTest> tests = new ArrayList<>();
        for (JsonNode golden : GOLDENS.json("torch/torch.json").path("files")) {
            tests.add(DynamicTest.dynamicTest(golden.path("file").asString(), () -> {
                Path folder = Files.createDirectory(
                        directory.resolve(golden.path("file").asString()));
                Files.copy(
                        GOLDENS.file("torch/" + golden.path("file").asString()), folder.resolve("pytorch_model.bin"));
                try (CheckpointReader reader = CheckpointReader.open(folder)) {
                    List<String> names = new ArrayList<>();
                    for (JsonNode expected : golden.path("tensors")) {
                        names.add(expected.path("name").asString());
                        assertTensor(reader, expected);
                    }
                    for (JsonNode other : golden.path("others")) {
                        String name = other.path("name").asString();
                        names.add(name);
                        assertUnsupported(
                                () -> reader.tensor(List.of(name), 2),
                                "tensor " + name + " is of type "
                                        + other.path("storage").asString());
                    }
                    assertThat(reader.names()).containsExactlyInAnyOrderElementsOf(names);
                }
            }));
        }
        return tests;
    }

    private static void assertTensor(CheckpointReader reader, JsonNode expected) {
        JsonNode sizes = expected.path("shape");
        long[] shape = new long[sizes.size()];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = sizes.get(i).asLong();
        }
        JsonNode values = expected.path("values");
        float[] floats = new float[values.size()];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = values.get(i).isString()
                    ? Float.POSITIVE_INFINITY
                    : values.get(i).floatValue();
        }
        CheckpointTensor tensor = reader.tensor(List.of(expected.path("name").asString()), shape);
        assertThat(tensor.dtype())
                .isEqualTo(
                        switch (expected.path("dtype").asString()) {
                            case "float32", "float64" -> DType.F32;
                            case "float16" -> DType.F16;
                            default -> DType.BF16;
                        });
        assertThat(tensor.readAll()).as(tensor.name()).containsExactly(floats);
        assertThat(asFloats(tensor)).as(tensor.name()).containsExactly(floats);
    }

    /** {@link CheckpointTensor#copy}, read here. */
    private static float[] asFloats(CheckpointTensor tensor) {
        ByteBuffer data =
                ByteBuffer.allocateDirect(Math.toIntExact(tensor.byteSize())).order(ByteOrder.LITTLE_ENDIAN);
        tensor.copy(0, tensor.rows(), MemorySegment.ofBuffer(data));
        float[] floats = new float[data.remaining() / tensor.dtype().bytes()];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = switch (tensor.dtype()) {
                case F32 -> data.getFloat();
                case F16 -> Float.float16ToFloat(data.getShort());
                default -> Float.intBitsToFloat(data.getShort() << 16);
            };
        }
        return floats;
    }

    @TestFactory
    List<DynamicTest> refusesWhatIsNoStateDict() {
        List<DynamicTest> tests = new ArrayList<>();
        for (JsonNode golden : GOLDENS.json("torch/torch.json").path("refused")) {
            String name = golden.path("file").asString();
            tests.add(DynamicTest.dynamicTest(
                    name,
                    () -> assertUnreadable(
                            Files.readAllBytes(GOLDENS.file("torch/" + name)),
                            golden.path("message").asString())));
        }
        return tests;
    }

    @Test
    void runsNothing() throws IOException {
        Path ran = directory.resolve("ran");
        Pickle pickle = new Pickle()
                .put("cposix\nsystem\n")
                .put("(")
                .text("touch " + ran)
                .put("tR.");
        assertUnreadable(archive(pickle), "posix.system", "nothing was executed", "at byte 2 of its pickle");
        assertThat(ran).doesNotExist();
        assertUnreadable(
                archive(new Pickle().put("cbuiltins\neval\n(").text("1").put("tR.")), "builtins.eval");
        assertUnreadable(archive(new Pickle().put("ctorch\nload\n(").text("x").put("tR.")), "torch.load");
        assertUnreadable(
                archive(new Pickle().text("posix").text("system").put(0x93).put(")R.")), "posix.system");
        // INST, OBJ, NEWOBJ, EXT1, PERSID: other ways to import, call or refer.
        assertUnreadable(archive(new Pickle().put("(iposix\nsystem\n.")), "the instruction 'i'");
        assertUnreadable(archive(new Pickle().put("(o.")), "the instruction 'o'");
        assertUnreadable(archive(new Pickle().put("))").put(0x81).put(".")), "the instruction 0x81");
        assertUnreadable(archive(new Pickle().put(0x82).put(1).put(".")), "the instruction 0x82");
        assertUnreadable(archive(new Pickle().put("P0\n.")), "the instruction 'P'");
        // A name is no value, and a storage's name cannot be called.
        assertUnreadable(archive(new Pickle().put("ctorch\nFloatStorage\n)R.")), "calls 'torch.FloatStorage'");
        assertUnreadable(archive(new Pickle().put(")ccollections\nOrderedDict\nb.")), "where a dictionary should be");
    }

    @Test
    void refusesTensorsThatDoNotFitTheirStorage() throws IOException {
        assertThat(read(archive(tensor("0", 6, 1), entry("0", 24)))).containsExactly(1, 2, 3, 4, 5);
        byte[] data = entry("0", 24).bytes();
        assertUnreadable(
                archive(tensor("0", 6, 2), new Entry("data/0", data)),
                "tensor a reaches to element 7 of storage 0, which has 6");
        assertUnreadable(
                archive(tensor("0", 7, 0), new Entry("data/0", data)),
                "storage 0 has 24 bytes, expected 28 for 7 elements of FloatStorage");
        assertUnreadable(archive(tensor("1", 6, 0), new Entry("data/0", data)), "storage 1 is missing");
        assertUnreadable(archive(tensor("../../x", 6, 0), new Entry("data/0", data)), "storage ../../x is missing");
        Pickle wide = tensorOf(
                "0",
                6,
                pickle -> pickle.put("K").put(0).longs(Long.MAX_VALUE, 2).longs(1, 1));
        assertUnreadable(archive(wide, new Entry("data/0", data)), "more than 2^63 elements");
        Pickle far =
                tensorOf("0", 6, pickle -> pickle.put("K").put(0).longs(3, 3).longs(Long.MAX_VALUE / 2, 1));
        assertUnreadable(archive(far, new Entry("data/0", data)), "more than 2^63 elements");
        Pickle backwards =
                tensorOf("0", 6, pickle -> pickle.put("K").put(5).longs(2).longs(-1));
        assertUnreadable(archive(backwards, new Entry("data/0", data)), "0 or more");
        Pickle ragged =
                tensorOf("0", 6, pickle -> pickle.put("K").put(0).longs(2, 2).longs(1));
        assertUnreadable(archive(ragged, new Entry("data/0", data)), "2 dimensions, 1 strides");
        Pickle flat = tensorOf(
                "0", 6, pickle -> pickle.put("K").put(0).longs(new long[65]).longs(new long[65]));
        assertUnreadable(archive(flat, new Entry("data/0", data)), "65 dimensions, expected at most 64");
        Pickle expanded = tensorOf(
                "0", 6, pickle -> pickle.put("K").put(0).longs(1L << 40).longs(0));
        assertUnreadable(
                archive(expanded, new Entry("data/0", data)), "makes 1099511627776 elements of 6", "contiguous copy");
    }

    @Test
    void boundsWhatAFileCanAskFor() throws IOException {
        int deep = 1_000_000;
        Pickle tuples = new Pickle().put(")");
        Pickle lists = new Pickle().put("]");
        for (int i = 0; i < deep; i++) {
            tuples.put(0x85);
            lists.put("]");
        }
        for (int i = 0; i < deep; i++) {
            lists.put("a");
        }
        assertUnreadable(archive(tuples.put(".")), "it holds a tuple");
        assertUnreadable(archive(lists.put(".")), "it holds a list");
        Pickle itself = new Pickle().put("}q").put(0).text("a").put("h").put(0).put("s.");
        assertUnreadable(archive(itself), "holds no tensor");
        Pickle endless = new Pickle();
        for (int i = 0; i < 4_000_001; i++) {
            endless.put("N");
        }
        assertUnreadable(archive(endless), "more than 4000000 steps");
        // What was kept once is copied again and again: five bytes for two thousand entries.
        Pickle copying = new Pickle().put("](");
        for (int i = 0; i < 2000; i++) {
            copying.text("k" + i).put("N").put(0x86);
        }
        copying.put("eq").put(0).put("ccollections\nOrderedDict\nq").put(1);
        for (int i = 0; i < 3000; i++) {
            copying.put("h").put(1).put("h").put(0).put(0x85).put("R");
        }
        assertUnreadable(archive(copying), "more than 4000000 steps");
        assertUnreadable(
                archive(new Pickle().put("X").put(0xff, 0xff, 0xff, 0xff)), "bytes of names, a text of 4294967295");
        assertUnreadable(archive(new Pickle().put("X").put(0xff, 0xff, 0, 0)), "goes on for 65535 bytes");
        assertUnreadable(archive(new Pickle().put(0x8a).put(255)), "a number of 255 bytes");
        assertUnreadable(archive(new Pickle().put("c" + "a".repeat(2000) + "\n")), "more than 1000 bytes");
        assertUnreadable(archive(new Pickle().put("h").put(7)), "recalls value 7");
        assertUnreadable(archive(new Pickle().put("t")), "values that are not there");
        assertUnreadable(archive(new Pickle().put("N(R")), "a value that is not there");
        assertUnreadable(archive(new Pickle().put("}(").text("a").put("u")), "a key without a value");
        assertUnreadable(archive(new Pickle().put("}K").put(1).put("Ns")), "the value 1 where a name should be");
        assertUnreadable(archive(new Pickle().put("NN.")), "1 values left over");
        assertUnreadable(archive(new Pickle().put(0x80).put(9)), "protocol is 9");
    }

    /** Whatever is cut off: an error that names the file. */
    @Test
    void refusesEveryTruncation() throws IOException {
        for (String name : List.of("tied.bin", "legacy-tied.bin")) {
            byte[] whole = Files.readAllBytes(GOLDENS.file("torch/" + name));
            for (int length = 0; length < whole.length; length++) {
                assertUnreadable(Arrays.copyOf(whole, length), "pytorch_model.bin");
            }
        }
    }

    /** Whatever one damaged byte says: tensors within the file, or an error. */
    @Test
    void survivesEveryDamagedByte() throws IOException {
        for (String name : List.of("tied.bin", "legacy-tied.bin")) {
            byte[] whole = Files.readAllBytes(GOLDENS.file("torch/" + name));
            for (int at = 0; at < whole.length; at++) {
                for (int flip : new int[] {1 << at % 8, 0xff}) {
                    byte[] damaged = whole.clone();
                    damaged[at] ^= (byte) flip;
                    Files.write(directory.resolve("pytorch_model.bin"), damaged);
                    try (CheckpointReader reader = CheckpointReader.open(directory)) {
                        assertThat(reader.names()).isNotEmpty();
                    } catch (VlmException e) {
                        assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNREADABLE);
                    }
                }
            }
        }
    }

    @Test
    void refusesAZipThatCouldMeanTwoThings() throws IOException {
        Entry data = entry("0", 24);
        Pickle pickle = tensor("0", 6, 0);
        assertUnreadable(archive(pickle, data, data), "two entries named 'model/data/0'");
        assertUnreadable(archive(pickle, data, new Entry("constants.pkl", new byte[0])), "TorchScript");
        assertUnreadable(
                archive(pickle, data, new Entry("byteorder", "big".getBytes(StandardCharsets.US_ASCII))), "byte order");
        assertUnreadable(zip(0, false, List.of(new NamedEntry("other.txt", new byte[3]))), "0 entries NAME/data.pkl");
    }

    @Test
    void readsBeyondFourGibibytes() throws IOException {
        long gap = (4L << 30) + 12345;
        List<NamedEntry> entries = List.of(
                new NamedEntry("model/data.pkl", tensor("0", 6, 1).bytes()),
                new NamedEntry("model/data/0", entry("0", 24).bytes()));
        // The hole takes no room on the disk.
        Path file = directory.resolve("pytorch_model.bin");
        byte[] archive = zip(gap, true, entries);
        try (FileChannel channel = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.SPARSE)) {
            channel.write(ByteBuffer.wrap(archive, 0, 4), 0);
            channel.write(ByteBuffer.wrap(archive, 4, archive.length - 4), 4 + gap);
        }
        try (CheckpointReader reader = CheckpointReader.open(directory)) {
            assertThat(reader.tensor(List.of("a"), 5).readAll()).containsExactly(1, 2, 3, 4, 5);
        }
    }

    @Test
    void readsShardsThroughTheIndex() throws IOException {
        Files.copy(GOLDENS.file("torch/tied.bin"), directory.resolve("pytorch_model-00001-of-00002.bin"));
        Files.copy(GOLDENS.file("torch/module.bin"), directory.resolve("pytorch_model-00002-of-00002.bin"));
        Files.writeString(
                directory.resolve("pytorch_model.bin.index.json"),
                "{\"metadata\":{},\"weight_map\":{\"head.weight\":\"pytorch_model-00001-of-00002.bin\","
                        + "\"0.bias\":\"pytorch_model-00002-of-00002.bin\"}}");
        try (CheckpointReader reader = CheckpointReader.open(directory)) {
            // Of the index only the files count.
            assertThat(reader.names())
                    .containsExactly(
                            "embed.weight", "norm.weight", "head.weight", "0.weight", "0.bias", "1.weight", "1.bias");
            assertThat(reader.tensor(List.of("0.bias"), 4).file()).hasFileName("pytorch_model-00002-of-00002.bin");
        }
    }

    /** Tied weights are one part of the file, and nothing is copied out of it. */
    @Test
    void mapsSharedStoragesOnce() throws IOException {
        Files.copy(GOLDENS.file("torch/tied.bin"), directory.resolve("pytorch_model.bin"));
        try (CheckpointReader reader = CheckpointReader.open(directory)) {
            CheckpointTensor embed = reader.tensor(List.of("embed.weight"), 5, 4);
            CheckpointTensor head = reader.tensor(List.of("head.weight"), 5, 4);
            assertThat(embed.segment().isMapped()).isTrue();
            assertThat(head.segment().address()).isEqualTo(embed.segment().address());
        }
    }

    @Test
    void readsAnotherDirectoryBesideTheFirst() throws IOException {
        Path other = Files.createDirectory(directory.resolve("tower"));
        Files.copy(GOLDENS.file("torch/tied.bin"), directory.resolve("pytorch_model.bin"));
        Files.copy(GOLDENS.file("torch/module.bin"), other.resolve("pytorch_model.bin"));
        CheckpointTensor bias;
        try (CheckpointReader reader = CheckpointReader.open(directory)) {
            bias = reader.beside(other).tensor(List.of("0.bias"), 4);
            assertThat(bias.readAll()).hasSize(4);
            assertUnreadable(() -> reader.beside(directory.resolve("nowhere")), "nowhere", "there are no weights");
        }
        assertThatThrownBy(bias::readAll).isInstanceOf(IllegalStateException.class);
    }

    private float[] read(byte[] file) throws IOException {
        Files.write(directory.resolve("pytorch_model.bin"), file);
        try (CheckpointReader reader = CheckpointReader.open(directory)) {
            return reader.tensor(List.of("a"), 5).readAll();
        }
    }

    private void assertUnreadable(byte[] file, String... parts) throws IOException {
        Files.write(directory.resolve("pytorch_model.bin"), file);
        assertUnreadable(() -> CheckpointReader.open(directory).close(), parts);
    }

    private static void assertUnsupported(ThrowingCallable call, String... parts) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNSUPPORTED))
                .message()
                .contains(Arrays.asList(parts));
    }

    private static void assertUnreadable(ThrowingCallable call, String... parts) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        VlmException.class, e -> assertThat(e.code()).isEqualTo(ErrorCode.CHECKPOINT_UNREADABLE))
                .message()
                .contains(Arrays.asList(parts));
    }

    /** Instructions of a pickle, put together by hand. */
    private static final class Pickle {
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();

        Pickle() {
            put(0x80, 2);
        }

        Pickle put(String latin1) {
            out.writeBytes(latin1.getBytes(StandardCharsets.ISO_8859_1));
            return this;
        }

        Pickle put(int... bytes) {
            for (int each : bytes) {
                out.write(each);
            }
            return this;
        }

        Pickle text(String text) {
            return put("X").put(text.length(), 0, 0, 0).put(text);
        }

        /** A tuple of 64-bit numbers. */
        Pickle longs(long... values) {
            put("(");
            for (long value : values) {
                put(0x8a, 8);
                out.writeBytes(ByteBuffer.allocate(8)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(value)
                        .array());
            }
            return put("t");
        }

        byte[] bytes() {
            return out.toByteArray();
        }
    }

    private interface Arguments {
        void write(Pickle pickle);
    }

    /** A dictionary of one tensor named a: [5] of floats with stride 1. */
    private static Pickle tensor(String key, int elements, int offset) {
        return tensorOf(
                key, elements, pickle -> pickle.put("K").put(offset).longs(5).longs(1));
    }

    private static Pickle tensorOf(String key, int elements, Arguments offsetShapeStrides) {
        Pickle pickle = new Pickle()
                .put("}")
                .text("a")
                .put("ctorch._utils\n_rebuild_tensor_v2\n((")
                .text("storage")
                .put("ctorch\nFloatStorage\n")
                .text(key)
                .text("cpu")
                .put("K")
                .put(elements)
                .put("tQ");
        offsetShapeStrides.write(pickle);
        return pickle.put(0x89).put("ccollections\nOrderedDict\n)RtRs.");
    }

    /** @param name below the archive's folder */
    private record Entry(String name, byte[] bytes) {}

    private record NamedEntry(String name, byte[] bytes) {}

    /** Floats 0, 1, 2, … */
    private static Entry entry(String key, int bytes) {
        ByteBuffer data = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < bytes / 4; i++) {
            data.putFloat(i);
        }
        return new Entry("data/" + key, data.array());
    }

    private static byte[] archive(Pickle pickle, Entry... entries) {
        List<NamedEntry> named = new ArrayList<>();
        named.add(new NamedEntry("model/data.pkl", pickle.bytes()));
        for (Entry entry : entries) {
            named.add(new NamedEntry("model/" + entry.name(), entry.bytes()));
        }
        return zip(0, false, named);
    }

    /**
     * @param gap by how much everything behind the first four bytes will be moved
     * @param zip64 whether sizes and places stand in 64-bit fields
     */
    private static byte[] zip(long gap, boolean zip64, List<NamedEntry> entries) {
        ByteBuffer out = ByteBuffer.allocate(1000
                        + entries.stream().mapToInt(e -> e.bytes().length + 300).sum())
                .order(ByteOrder.LITTLE_ENDIAN);
        out.put(new byte[] {'P', 'K', 3, 4});
        ByteBuffer directory = ByteBuffer.allocate(out.capacity()).order(ByteOrder.LITTLE_ENDIAN);
        for (NamedEntry entry : entries) {
            byte[] name = entry.name().getBytes(StandardCharsets.UTF_8);
            int size = entry.bytes().length;
            long at = out.position() + gap;
            out.putInt(0x04034b50).put(new byte[14]).putInt(size).putInt(size);
            out.putShort((short) name.length).putShort((short) 0).put(name).put(entry.bytes());
            directory.putInt(0x02014b50).put(new byte[16]);
            directory.putInt(zip64 ? -1 : size).putInt(zip64 ? -1 : size);
            directory
                    .putShort((short) name.length)
                    .putShort((short) (zip64 ? 28 : 0))
                    .put(new byte[10]);
            directory.putInt(zip64 ? -1 : (int) at).put(name);
            if (zip64) {
                directory.putShort((short) 1).putShort((short) 24);
                directory.putLong(size).putLong(size).putLong(at);
            }
        }
        long place = out.position() + gap;
        directory.flip();
        int length = directory.remaining();
        out.put(directory);
        if (zip64) {
            long end = out.position() + gap;
            out.putInt(0x06064b50).putLong(44).putInt(0).putInt(0).putInt(0);
            out.putLong(entries.size()).putLong(entries.size()).putLong(length).putLong(place);
            out.putInt(0x07064b50).putInt(0).putLong(end).putInt(1);
        }
        out.putInt(0x06054b50).putInt(0);
        out.putShort((short) entries.size()).putShort((short) entries.size());
        out.putInt(length).putInt(zip64 ? -1 : (int) place).putShort((short) 0);
        return Arrays.copyOf(out.array(), out.position());
    }
}
