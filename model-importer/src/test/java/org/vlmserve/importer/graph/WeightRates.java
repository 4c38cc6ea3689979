package org.vlmserve.importer.graph;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.checkpoint.MatrixSource;

/**
 * How fast one thread makes each kind of {@link WeightData} from a mapped checkpoint that lies in memory: MB of the checkpoint a
 * second of its processor time, as the median of rounds in turns. Run by {@code benchmarks/import-rates}.
 */
final class WeightRates {

    /** A 7B model's up projection is [11008, 4096]. */
    private static final int ROWS = 2752;

    private static final int COLUMNS = 4096;
    private static final int WARM_UP = 3;

    /** Adds a weight's data, and its scales if it has any, to a file. */
    private interface Kind {
        void add(WeightFile file, MatrixSource source);
    }

    private WeightRates() {}

    /** @param args how many rounds */
    public static void main(String[] args) throws IOException {
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : 7;
        Map<String, Kind> kinds = new LinkedHashMap<>();
        kinds.put(
                "plain fp32",
                (file, w) -> file.add("w", WeightData.plain(w), ElementType.FLOAT, w.rows(), w.columns()));
        kinds.put(
                "FP32", (file, w) -> file.add("w", WeightData.transposed(w), ElementType.FLOAT, w.columns(), w.rows()));
        kinds.put("ROWWISE_INT8", (file, w) -> {
            ChannelScales scales = new ChannelScales(w);
            file.add("w", WeightData.transposedInt8(w, scales), ElementType.INT8, w.columns(), w.rows());
            file.add("s", WeightData.scales(scales), ElementType.FLOAT, w.rows());
        });
        kinds.put("BLOCK_INT8", (file, w) -> addBlocks(file, w, 8));
        kinds.put("BLOCK_INT4", (file, w) -> addBlocks(file, w, 4));
        Path directory = Files.createTempDirectory("weight-rates");
        try {
            for (String dtype : List.of("BF16", "F16", "F32")) {
                measure(directory, dtype, kinds, rounds);
            }
        } finally {
            Files.deleteIfExists(directory.resolve("model.safetensors"));
            Files.delete(directory);
        }
    }

    private static void measure(Path directory, String dtype, Map<String, Kind> kinds, int rounds) throws IOException {
        long size = writeCheckpoint(directory.resolve("model.safetensors"), dtype);
        Map<String, double[]> rates = new LinkedHashMap<>();
        try (CheckpointReader reader = CheckpointReader.open(directory);
                ExecutorService one = Executors.newSingleThreadExecutor()) {
            MatrixSource source = reader.tensor(List.of("w"), ROWS, COLUMNS);
            for (int round = -WARM_UP; round < rounds; round++) {
                for (Map.Entry<String, Kind> kind : kinds.entrySet()) {
                    WeightFile file = new WeightFile("weights.bin");
                    kind.getValue().add(file, source);
                    long begin = cpuNanos(one);
                    file.write((data, offset) -> {}, one, bytes -> {});
                    double seconds = (cpuNanos(one) - begin) / 1e9;
                    if (round >= 0) {
                        rates.computeIfAbsent(kind.getKey(), key -> new double[rounds])[round] = size / 1e6 / seconds;
                    }
                }
            }
        }
        rates.forEach((kind, values) -> {
            Arrays.sort(values);
            System.out.printf(
                    Locale.ROOT,
                    "%-5s %-14s %6.0f MB/s (slowest %.0f, fastest %.0f)%n",
                    dtype,
                    kind,
                    values[rounds / 2],
                    values[0],
                    values[rounds - 1]);
        });
    }

    /** What its thread has computed so far; other work on the machine does not count. */
    private static long cpuNanos(ExecutorService one) {
        try {
            return one.submit(() -> ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime())
                    .get();
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void addBlocks(WeightFile file, MatrixSource source, int bits) {
        BlockQuantized blocks = new BlockQuantized(source, bits, 32);
        file.add("w", blocks.packed(), ElementType.UINT8, source.rows(), blocks.blocks(), blocks.blockBytes());
        file.add("s", blocks.scales(), ElementType.FLOAT, (long) source.rows() * blocks.blocks());
    }

    /** @return bytes of the one tensor */
    private static long writeCheckpoint(Path file, String dtype) throws IOException {
        int bytes = dtype.equals("F32") ? Float.BYTES : Short.BYTES;
        int size = ROWS * COLUMNS * bytes;
        byte[] header = String.format(
                        Locale.ROOT,
                        "{\"w\":{\"dtype\":\"%s\",\"shape\":[%d,%d],\"data_offsets\":[0,%d]}}",
                        dtype,
                        ROWS,
                        COLUMNS,
                        size)
                .getBytes(StandardCharsets.UTF_8);
        ByteBuffer data = ByteBuffer.allocate(Long.BYTES + header.length + size).order(ByteOrder.LITTLE_ENDIAN);
        data.putLong(header.length).put(header);
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < ROWS * COLUMNS; i++) {
            float value = (float) (random.nextGaussian() * 0.02);
            switch (dtype) {
                case "F32" -> data.putFloat(value);
                case "F16" -> data.putShort(Float.floatToFloat16(value));
                default -> data.putShort((short) (Float.floatToIntBits(value) >> 16));
            }
        }
        try (FileChannel out = FileChannel.open(
                file, StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.TRUNCATE_EXISTING)) {
            data.flip();
            while (data.hasRemaining()) {
                out.write(data);
            }
        }
        return size;
    }
}
