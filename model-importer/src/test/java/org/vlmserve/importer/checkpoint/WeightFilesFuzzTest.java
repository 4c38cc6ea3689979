package org.vlmserve.importer.checkpoint;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.testing.Goldens;
import org.vlmserve.testing.fuzz.ByteMutations;
import org.vlmserve.testing.fuzz.FileCorpus;
import org.vlmserve.testing.fuzz.Fuzzer;
import org.vlmserve.testing.fuzz.JsonMutations;
import org.vlmserve.testing.fuzz.Mutation;
import org.vlmserve.testing.fuzz.TextMutations;

/** Whatever stands in a file of weights, reading it ends, soon, with tensors that lie within it or with an error that says why not. */
class WeightFilesFuzzTest {

    private static final Goldens GOLDENS = Goldens.find();
    private static final byte[] ZIP = {'P', 'K', 3, 4};

    @TempDir
    Path directory;

    @Test
    void safetensors() throws IOException {
        Path file = directory.resolve("model.safetensors");
        List<byte[]> corpus = List.of(
                safetensors("{}", 0),
                safetensors(
                        "{\"__metadata__\":{\"format\":\"pt\"},\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}",
                        4),
                safetensors(
                        "{\"f\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                                + "\"b\":{\"dtype\":\"BF16\",\"shape\":[4,2],\"data_offsets\":[24,40]},"
                                + "\"h\":{\"dtype\":\"F16\",\"shape\":[2,1,2],\"data_offsets\":[40,48]},"
                                + "\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[48,56]}}   ",
                        56),
                Files.readAllBytes(GOLDENS.checkpoint("qwen2_vl", "flat-tied")
                        .directory()
                        .resolve("model-00002-of-00003.safetensors")));
        Fuzzer.of("safetensors", ErrorCode.CHECKPOINT_UNREADABLE)
                .from(corpus)
                .by(ByteMutations.all())
                .by(inHeader(JsonMutations.all()))
                .by(inHeader(JsonMutations.all()))
                .by(inHeader(TextMutations.all()))
                .oneIn(2)
                .run(input -> {
                    Files.write(file, input);
                    try (Arena arena = Arena.ofConfined()) {
                        Safetensors.read(file, arena).values().forEach(WeightFilesFuzzTest::use);
                    }
                });
    }

    private static byte[] safetensors(String header, int dataBytes) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(Long.BYTES + json.length + dataBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .array();
    }

    /** Changes the JSON, with a length before it that fits. */
    private static List<Mutation> inHeader(List<Mutation> ofJson) {
        return ofJson.stream()
                .map(mutation -> mutation.within(
                        file -> Arrays.copyOfRange(file, Math.min(file.length, Long.BYTES), headerEnd(file)),
                        (file, header) -> {
                            int end = headerEnd(file);
                            return ByteBuffer.allocate(Long.BYTES + header.length + file.length - end)
                                    .order(ByteOrder.LITTLE_ENDIAN)
                                    .putLong(header.length)
                                    .put(header)
                                    .put(file, end, file.length - end)
                                    .array();
                        }))
                .toList();
    }

    private static int headerEnd(byte[] file) {
        if (file.length < Long.BYTES) {
            return file.length;
        }
        long length = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).getLong();
        return (int) Math.clamp(length, 0, file.length - Long.BYTES) + Long.BYTES;
    }

    @Test
    void torchFiles() throws IOException {
        Path file = directory.resolve("pytorch_model.bin");
        List<byte[]> corpus = new ArrayList<>();
        try (Stream<Path> files = Files.list(GOLDENS.file("torch"))) {
            for (Path golden :
                    files.filter(f -> f.toString().endsWith(".bin")).sorted().toList()) {
                corpus.add(Files.readAllBytes(golden));
            }
        }
        Fuzzer.of("torch-bin", ErrorCode.CHECKPOINT_UNREADABLE)
                .from(corpus)
                .by(ByteMutations.all())
                .by(inPickle(ByteMutations.all()))
                .by(inPickle(ByteMutations.all()))
                .oneIn(2)
                .run(input -> {
                    Files.write(file, input);
                    try (Arena arena = Arena.ofConfined()) {
                        TorchFile.read(file, arena).values().forEach(WeightFilesFuzzTest::use);
                    }
                });
    }

    /** Changes bytes between an archive's first header and the next entry's, or its directory: the pickle, which torch stores first. */
    private static List<Mutation> inPickle(List<Mutation> ofBytes) {
        return ofBytes.stream()
                .map(mutation -> (Mutation) (input, other, random) -> {
                    int end = secondEntry(input);
                    byte[] pickle = mutation.mutate(
                            Arrays.copyOf(input, end), Arrays.copyOf(other, secondEntry(other)), random);
                    // As long as before, so that the directory fits.
                    byte[] out = input.clone();
                    System.arraycopy(pickle, 0, out, 0, Math.min(end, pickle.length));
                    System.arraycopy(input, 0, out, 0, Math.min(64, end));
                    return out;
                })
                .toList();
    }

    private static int secondEntry(byte[] file) {
        for (int i = ZIP.length; i <= file.length - ZIP.length; i++) {
            if (Arrays.equals(file, i, i + ZIP.length, ZIP, 0, ZIP.length)) {
                return i;
            }
        }
        return file.length;
    }

    @Test
    void indices() throws IOException {
        List<Path> files = new ArrayList<>();
        try (Stream<Path> golden =
                Files.list(GOLDENS.checkpoint("qwen2_vl", "flat-tied").directory())) {
            for (Path file :
                    golden.filter(f -> f.toString().contains("safetensors")).toList()) {
                Path copy = Files.copy(file, directory.resolve(file.getFileName()));
                if (copy.toString().endsWith(".json")) {
                    files.add(copy);
                }
            }
        }
        FileCorpus corpus = new FileCorpus(files);
        List<Mutation> mutations = new ArrayList<>(JsonMutations.all());
        mutations.addAll(JsonMutations.all());
        mutations.addAll(TextMutations.all());
        Fuzzer.of("safetensors-index", ErrorCode.CHECKPOINT_UNREADABLE)
                .from(corpus.inputs())
                .by(corpus.mutations(file -> mutations))
                .oneIn(8)
                .run(corpus.reader(folder -> {
                    try (CheckpointReader reader = CheckpointReader.open(folder)) {
                        reader.names().forEach(name -> reader.has(List.of(name)));
                    }
                }));
    }

    /** The first and the last row, and all of it where it is small or lies in another order. */
    private static void use(StoredTensor stored) {
        if (!(stored instanceof CheckpointTensor tensor)) {
            return;
        }
        long elements = Arrays.stream(tensor.shape()).reduce(1, (a, b) -> a * b);
        if (elements == 0) {
            return;
        }
        float[] row = new float[Math.min(64, tensor.columns())];
        tensor.read(0, 0, row.length, row, 0);
        tensor.read(tensor.rows() - 1, tensor.columns() - row.length, row.length, row, 0);
        if (elements <= 4096) {
            try (Arena arena = Arena.ofConfined()) {
                tensor.copy(0, tensor.rows(), arena.allocate(tensor.byteSize(), Long.BYTES));
            }
            tensor.asFloats();
            tensor.largest(0);
        }
    }
}
