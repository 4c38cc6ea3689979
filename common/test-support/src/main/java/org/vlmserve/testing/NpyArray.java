package org.vlmserve.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vlmserve.protocol.tensor.DType;
import org.vlmserve.protocol.tensor.Tensor;

/**
 * An array of a {@code .npy} file: {@code <f4}, {@code <i8} or {@code |u1}, in C order.
 */
public final class NpyArray {

    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final Pattern DESCR = Pattern.compile("'descr'\\s*:\\s*'([^']+)'");
    private static final Pattern FORTRAN = Pattern.compile("'fortran_order'\\s*:\\s*(True|False)");
    private static final Pattern SHAPE = Pattern.compile("'shape'\\s*:\\s*\\(([^)]*)\\)");

    private final String name;
    private final Tensor tensor;

    private NpyArray(String name, Tensor tensor) {
        this.name = name;
        this.tensor = tensor;
    }

    /** @throws IllegalArgumentException if the file is no .npy, or holds other types or another order */
    public static NpyArray read(Path file) {
        try {
            return parse(file.getFileName().toString(), Files.readAllBytes(file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static NpyArray parse(String name, byte[] file) {
        if (file.length < 10 || !Arrays.equals(file, 0, MAGIC.length, MAGIC, 0, MAGIC.length)) {
            throw new IllegalArgumentException(name + " is no .npy file");
        }
        ByteBuffer bytes = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        int major = file[6];
        int headerStart = major == 1 ? 10 : 12;
        int headerLength = major == 1 ? Short.toUnsignedInt(bytes.getShort(8)) : bytes.getInt(8);
        String header = new String(file, headerStart, headerLength, StandardCharsets.ISO_8859_1);
        String descr = group(name, header, DESCR);
        if (group(name, header, FORTRAN).equals("True")) {
            throw new IllegalArgumentException(name + " is in Fortran order");
        }
        DType dtype = switch (descr) {
            case "<f4" -> DType.F32;
            case "<i8" -> DType.I64;
            case "|u1" -> DType.U8;
            default -> throw new IllegalArgumentException(name + " holds " + descr + ", expected <f4, <i8 or |u1");
        };
        int[] shape = Arrays.stream(group(name, header, SHAPE).split(","))
                .map(String::trim)
                .filter(part -> !part.isEmpty())
                .mapToInt(Integer::parseInt)
                .toArray();
        int from = headerStart + headerLength;
        return new NpyArray(name, new Tensor(dtype, shape, ByteBuffer.wrap(file, from, file.length - from)));
    }

    private static String group(String name, String header, Pattern pattern) {
        Matcher matcher = pattern.matcher(header);
        if (!matcher.find()) {
            throw new IllegalArgumentException(name + " has an unexpected header: " + header);
        }
        return matcher.group(1);
    }

    /** The file's name, for messages. */
    public String name() {
        return name;
    }

    public DType dtype() {
        return tensor.dtype();
    }

    public int[] shape() {
        return tensor.shape();
    }

    /** Number of elements. */
    public int size() {
        return tensor.byteSize() / tensor.dtype().bytes();
    }

    /** The same elements as the product's own tensor. */
    public Tensor tensor() {
        return tensor;
    }

    /** @throws IllegalStateException unless the file holds {@code <f4} */
    public float[] floats() {
        return tensor.toFloats();
    }

    /** @throws IllegalStateException unless the file holds {@code <i8} */
    public long[] longs() {
        require(DType.I64);
        long[] values = new long[size()];
        tensor.data().asLongBuffer().get(values);
        return values;
    }

    /** @throws IllegalStateException unless the file holds {@code |u1} */
    public byte[] bytes() {
        require(DType.U8);
        byte[] values = new byte[size()];
        tensor.data().get(values);
        return values;
    }

    private void require(DType expected) {
        if (dtype() != expected) {
            throw new IllegalStateException(name + " holds " + dtype() + ", expected " + expected);
        }
    }

    @Override
    public String toString() {
        return name + " " + tensor;
    }
}
