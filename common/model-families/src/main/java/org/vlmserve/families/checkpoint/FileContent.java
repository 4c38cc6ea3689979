package org.vlmserve.families.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What a file is that is not what its name says, told from its first bytes, and what to do about it. */
public enum FileContent {
    /** JSON or Jinja. */
    TEXT,
    SAFETENSORS,
    /** What {@code torch.save} writes: a zip archive or a pickle. */
    TORCH,
    SENTENCE_PIECE;

    private static final int BEGINNING = 512;
    private static final int SHOWN = 40;
    private static final String UNPACK = "; unpack it and import what is in it";

    /** A beginning that tells a format, and what the file then is. */
    private enum Magic {
        GGUF("47475546", "a GGUF file, as llama.cpp reads; import the checkpoint in safetensors that it was made from"),
        HDF5("894844460d0a1a0a", "an HDF5 file, as Keras writes; save the model with PyTorch"),
        GZIP("1f8b", "a gzip archive" + UNPACK),
        XZ("fd377a585a00", "an xz archive" + UNPACK),
        ZSTD("28b52ffd", "a Zstandard archive" + UNPACK),
        BZIP2("425a68", "a bzip2 archive" + UNPACK),
        SEVEN_ZIP("377abcaf271c", "a 7z archive" + UNPACK),
        NUMPY("934e554d5059", "a NumPy array; save the model's state_dict with torch or safetensors");

        private final String hex;
        private final String says;

        Magic(String hex, String says) {
            this.hex = hex;
            this.says = says;
        }
    }

    /**
     * Says what the file is instead, such as "it is a Git LFS pointer; …", or null where nothing is known against it.
     *
     * @return a clause that begins with "it"
     */
    public @Nullable String mistaken(Path file) {
        byte[] head;
        long size;
        try (InputStream in = Files.newInputStream(file)) {
            head = in.readNBytes(BEGINNING);
            size = Files.size(file);
        } catch (IOException e) {
            return null; // whoever reads the file says why it cannot be read
        }
        if (size == 0) {
            return "it is empty; its download did not finish, fetch it again";
        }
        String text = new String(head, StandardCharsets.ISO_8859_1);
        if (text.startsWith("version https://git-lfs.github.com/spec/") || text.startsWith("version https://hawser")) {
            return "it is a Git LFS pointer of " + size
                    + " bytes, which stands for the file; fetch the file itself with" + " 'git lfs pull'";
        }
        if (text.startsWith("/annex/objects/") || text.startsWith("../.git/annex/objects/")) {
            return "it is a git-annex pointer, which stands for the file; fetch the file itself with 'git annex get'";
        }
        String lower = text.stripLeading().toLowerCase(Locale.ROOT);
        if (lower.startsWith("ï»¿")) { // a UTF-8 byte order mark, as ISO 8859-1
            lower = lower.substring(3).stripLeading();
        }
        if (lower.startsWith("<!doctype html") || lower.startsWith("<html") || lower.startsWith("<?xml")) {
            return "it is an HTML or XML page, such as a server sends for an error or to sign in; fetch the file again";
        }
        for (Magic magic : Magic.values()) {
            if (HexFormat.of().formatHex(head).startsWith(magic.hex)) {
                return "it is " + magic.says;
            }
        }
        if (text.length() > 262 && text.startsWith("ustar", 257)) {
            return "it is a tar archive" + UNPACK;
        }
        if (this != SAFETENSORS && head.length > 9 && head[5] == 0 && head[6] == 0 && head[7] == 0 && head[8] == '{') {
            return "it is a safetensors file; name it model.safetensors";
        }
        if (this != TORCH && begins(head, new byte[] {'P', 'K', 3, 4})) {
            return "it is a zip archive; if torch.save wrote it, name it pytorch_model.bin, and else unpack it";
        }
        if (this != TORCH && head[0] == (byte) 0x80 && head.length > 1 && head[1] >= 2 && head[1] <= 5) {
            return "it is a pickle, as torch.save wrote before 1.6; name it pytorch_model.bin";
        }
        if (this == SAFETENSORS || this == TORCH) {
            int shown = Math.min(SHOWN, head.length);
            if (text.substring(0, shown)
                    .chars()
                    .allMatch(c -> (c >= ' ' && c < 127) || c == '\n' || c == '\r' || c == '\t')) {
                return "it is a text that begins with '"
                        + text.substring(0, shown).strip().lines().findFirst().orElse("") + "'; fetch the file again";
            }
        }
        return null;
    }

    private static boolean begins(byte[] head, byte[] with) {
        return head.length >= with.length && Arrays.equals(head, 0, with.length, with, 0, with.length);
    }
}
