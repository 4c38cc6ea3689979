package org.vlmserve.testing.fuzz;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;

/**
 * A corpus of files of which one at a time is changed, for readers of whole directories. An input is the file's number, two bytes, and what
 * the file holds.
 */
public final class FileCorpus {

    private static final int NUMBER_BYTES = 2;

    private final List<Path> files;

    /** @param files at most 65,536 of them */
    public FileCorpus(List<Path> files) {
        this.files = files.stream().map(Path::toAbsolutePath).toList();
        if (files.size() > 1 << 8 * NUMBER_BYTES) {
            throw new IllegalArgumentException(files.size() + " files; expected at most 65,536");
        }
    }

    public List<byte[]> inputs() {
        List<byte[]> inputs = new ArrayList<>();
        for (int i = 0; i < files.size(); i++) {
            try {
                inputs.add(input(i, Files.readAllBytes(files.get(i))));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return inputs;
    }

    /** @param kinds the mutations that suit a file */
    public List<Mutation> mutations(Function<Path, List<Mutation>> kinds) {
        List<Mutation> byFile =
                files.stream().map(file -> Mutation.oneOf(kinds.apply(file))).toList();
        return List.of((input, other, random) ->
                input(number(input), byFile.get(number(input)).mutate(content(input), content(other), random)));
    }

    /** Reads a directory in which one file is not what it was. */
    @FunctionalInterface
    public interface DirectoryReader {
        /** @throws Exception as {@link Fuzzer.Reader#read} */
        void read(Path directory) throws Exception;
    }

    /** A reader that puts the input in its file's place, reads the directory that the file lies in, and puts the file back. */
    public Fuzzer.Reader reader(DirectoryReader reader) {
        return input -> {
            Path file = files.get(number(input));
            byte[] before = Files.readAllBytes(file);
            try {
                Files.write(file, content(input));
                reader.read(Objects.requireNonNull(file.getParent()));
            } finally {
                Files.write(file, before);
            }
        };
    }

    private static byte[] content(byte[] input) {
        return Arrays.copyOfRange(input, NUMBER_BYTES, input.length);
    }

    private static int number(byte[] input) {
        return Byte.toUnsignedInt(input[0]) << 8 | Byte.toUnsignedInt(input[1]);
    }

    private static byte[] input(int number, byte[] content) {
        byte[] input = new byte[NUMBER_BYTES + content.length];
        input[0] = (byte) (number >> 8);
        input[1] = (byte) number;
        System.arraycopy(content, 0, input, NUMBER_BYTES, content.length);
        return input;
    }
}
