package org.vlmserve.families.checkpoint;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * What a conversion needs of SentencePiece's {@code tokenizer.model}, a {@code ModelProto} in protocol buffers' wire format. Source:
 * https://github.com/google/sentencepiece, {@code src/sentencepiece_model.proto}; the numbers below are its fields.
 *
 * @param pieces a piece's place is its id
 */
record SentencePieceModel(List<Piece> pieces) {

    /** @param type one of the constants here */
    record Piece(String text, float score, int type) {}

    static final int NORMAL = 1;
    static final int CONTROL = 3;
    static final int USER_DEFINED = 4;

    private static final int PIECES = 1;
    private static final int TRAINER_SPEC = 2;
    private static final int PIECE_TEXT = 1;
    private static final int PIECE_SCORE = 2;
    private static final int PIECE_TYPE = 3;
    private static final int MODEL_TYPE = 3;

    private static final int BPE = 2;
    private static final List<String> MODEL_TYPES = List.of("", "UNIGRAM", "BPE", "WORD", "CHAR");

    /** Every way of cutting a piece in two is looked at. Trainers make pieces of at most 16 characters, or a few dozen spaces. */
    private static final int LONGEST_PIECE = 256;

    /** Three times the largest published model. */
    private static final long LARGEST_FILE = 16 << 20;

    /** One field of a message: a whole number, four bytes as one, or a message or text. */
    private record Field(int number, long value, @Nullable ByteBuffer bytes) {}

    /**
     * @throws VlmException {@code CHECKPOINT_UNREADABLE} for a damaged file, {@code CHECKPOINT_UNSUPPORTED} for a model of another
     *     kind than BPE
     */
    static SentencePieceModel read(Path file) {
        List<Piece> pieces = new ArrayList<>();
        int modelType = 1; // the default in the schema
        String mistaken = FileContent.SENTENCE_PIECE.mistaken(file);
        if (mistaken != null) {
            throw unreadable(file, "is no SentencePiece model: " + mistaken);
        }
        try {
            if (Files.size(file) > LARGEST_FILE) {
                throw unreadable(file, "has " + Files.size(file) + " bytes; expected at most " + LARGEST_FILE);
            }
            ByteBuffer model = ByteBuffer.wrap(Files.readAllBytes(file));
            while (model.hasRemaining()) {
                Field field = next(file, model);
                if (field.number() == PIECES) {
                    pieces.add(piece(file, message(file, field), pieces.size()));
                } else if (field.number() == TRAINER_SPEC) {
                    ByteBuffer spec = message(file, field);
                    while (spec.hasRemaining()) {
                        Field setting = next(file, spec);
                        modelType = setting.number() == MODEL_TYPE ? (int) setting.value() : modelType;
                    }
                }
            }
        } catch (IOException e) {
            throw unreadable(file, "cannot be read: " + e);
        }
        if (pieces.isEmpty()) {
            throw unreadable(file, "has no pieces; is it a SentencePiece model?");
        }
        if (modelType != BPE) {
            throw unsupported(
                    file,
                    "is of the kind "
                            + (modelType > 0 && modelType < MODEL_TYPES.size() ? MODEL_TYPES.get(modelType) : modelType)
                            + "; supported: BPE");
        }
        return new SentencePieceModel(List.copyOf(pieces));
    }

    private static Piece piece(Path file, ByteBuffer message, int id) {
        String text = "";
        float score = 0;
        int type = NORMAL;
        while (message.hasRemaining()) {
            Field field = next(file, message);
            switch (field.number()) {
                case PIECE_TEXT ->
                    text = StandardCharsets.UTF_8.decode(message(file, field)).toString();
                case PIECE_SCORE -> score = Float.intBitsToFloat((int) field.value());
                case PIECE_TYPE -> type = (int) field.value();
                default -> {}
            }
        }
        if (text.isEmpty() || text.length() > LONGEST_PIECE) {
            throw unreadable(
                    file, "piece " + id + " has " + text.length() + " characters; expected 1 to " + LONGEST_PIECE);
        }
        return new Piece(text, score, type);
    }

    private static Field next(Path file, ByteBuffer in) {
        long tag = varint(file, in);
        int number = (int) (tag >>> 3);
        return switch ((int) tag & 7) {
            case 0 -> new Field(number, varint(file, in), null);
            case 1 -> new Field(number, 0, take(file, in, Long.BYTES));
            case 2 -> new Field(number, 0, take(file, in, varint(file, in)));
            case 5 ->
                new Field(
                        number,
                        take(file, in, Integer.BYTES)
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .getInt(),
                        null);
            default ->
                throw unreadable(file, "has no field at byte " + in.position() + "; is it a SentencePiece model?");
        };
    }

    private static ByteBuffer message(Path file, Field field) {
        ByteBuffer bytes = field.bytes();
        if (bytes == null) {
            throw unreadable(file, "has a number where field " + field.number() + " should be");
        }
        return bytes;
    }

    private static ByteBuffer take(Path file, ByteBuffer in, long count) {
        if (count < 0 || count > in.remaining()) {
            throw unreadable(
                    file,
                    "asks for " + Long.toUnsignedString(count) + " bytes where " + in.remaining()
                            + " are left; it is cut short or no SentencePiece model");
        }
        ByteBuffer part = in.slice(in.position(), (int) count);
        in.position(in.position() + (int) count);
        return part;
    }

    private static long varint(Path file, ByteBuffer in) {
        long value = 0;
        for (int shift = 0; shift < 64 && in.hasRemaining(); shift += 7) {
            byte next = in.get();
            value |= (long) (next & 0x7f) << shift;
            if (next >= 0) {
                return value;
            }
        }
        throw unreadable(file, "is cut short or no SentencePiece model");
    }

    static VlmException unreadable(Path file, String what) {
        return new VlmException(ErrorCode.CHECKPOINT_UNREADABLE, file + " " + what);
    }

    static VlmException unsupported(Path file, String what) {
        return new VlmException(ErrorCode.CHECKPOINT_UNSUPPORTED, file + " " + what);
    }
}
