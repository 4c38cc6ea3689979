package org.vlmserve.families.prompt;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A {@code tokenizer.json}. The reference's own library splits text into ids; decoding is done here, from the vocabulary,
 * because it has to go token by token: byte-level BPE, or SentencePiece's pieces with bytes to fall back on.
 */
public final class HuggingFaceTokenizerFile implements Tokenizer {

    private static final int[] BYTE_OF = byteOfCharacter();

    static {
        // Nothing is fetched and nothing is reported: the library is in its jar, the tokenizer in the bundle.
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("OPT_OUT_TRACKING", "true");
    }

    private final HuggingFaceTokenizer encoder;
    private final TokenDecoding decoding;
    private final byte[][] bytes;
    private final BitSet byteTokens;
    private final BitSet special;

    /**
     * @param file named in errors
     * @param json its content
     * @throws VlmException {@code BUNDLE_CORRUPT} for a file that is malformed or of another kind
     */
    public HuggingFaceTokenizerFile(Path file, ObjectNode json) {
        decoding = TokenDecoding.of(json.path("decoder"));
        if (decoding == TokenDecoding.UNKNOWN) {
            throw corrupt(
                    file,
                    "decoder is " + json.path("decoder") + "; expected ByteLevel, or a Sequence of Replace(▁ → space),"
                            + " ByteFallback, Fuse and possibly Strip(one space, left)",
                    null);
        }
        json.putNull("truncation");
        json.putNull("padding");
        JsonNode vocabulary = json.path("model").path("vocab");
        JsonNode added = json.path("added_tokens");
        if (!vocabulary.isObject() || !added.isArray()) {
            throw corrupt(file, "model.vocab or added_tokens is missing", null);
        }
        byte[][] table = new byte[vocabulary.size() + added.size()][];
        byteTokens = new BitSet();
        for (Map.Entry<String, JsonNode> token : vocabulary.properties()) {
            table = put(file, table, token.getValue(), token.getKey());
        }
        special = new BitSet();
        for (JsonNode token : added) {
            String content = token.path("content").asString("");
            table = put(file, table, token.path("id"), content);
            if (token.path("special").asBoolean(false)) {
                special.set(token.path("id").asInt());
            }
        }
        bytes = table;
        try {
            encoder = HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(JsonMapper.shared().writeValueAsBytes(json)),
                    Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false"));
        } catch (IOException | RuntimeException e) {
            throw corrupt(file, "cannot be loaded: " + e.getMessage(), e);
        }
    }

    /** The tokenizer of a bundle. @throws VlmException {@code BUNDLE_CORRUPT} if it is missing, malformed or of another kind */
    public static HuggingFaceTokenizerFile of(Bundle bundle) {
        return new HuggingFaceTokenizerFile(bundle.tokenizer(), read(bundle.tokenizer()));
    }

    private static ObjectNode read(Path file) {
        try {
            if (JsonMapper.shared().readTree(Files.readAllBytes(file)) instanceof ObjectNode json) {
                return json;
            }
            throw corrupt(file, "expected a JSON object", null);
        } catch (IOException e) {
            throw corrupt(file, "cannot be read: " + e, e);
        } catch (JacksonException e) {
            throw corrupt(file, "is no JSON: " + e.getOriginalMessage(), e);
        }
    }

    private byte[][] put(Path file, byte[][] table, JsonNode id, String token) {
        if (!id.isInt() || id.intValue() < 0 || id.intValue() > 1 << 24) {
            throw corrupt(file, "token '" + token + "' has the id " + id + "; expected a number", null);
        }
        byte[][] grown = id.intValue() < table.length ? table : Arrays.copyOf(table, id.intValue() + 1024);
        if (decoding == TokenDecoding.BYTE_LEVEL) {
            grown[id.intValue()] = byteLevel(token);
        } else if (PieceDecoder.isByte(token)) {
            byteTokens.set(id.intValue());
            grown[id.intValue()] = new byte[] {(byte) Integer.parseInt(token.substring(3, 5), 16)};
        } else {
            grown[id.intValue()] = token.replace('▁', ' ').getBytes(StandardCharsets.UTF_8);
        }
        return grown;
    }

    /** A token whose characters all stand for bytes is those bytes; any other, such as a control token, is its text. */
    private static byte[] byteLevel(String token) {
        byte[] mapped = new byte[token.length()];
        for (int i = 0; i < token.length(); i++) {
            char c = token.charAt(i);
            if (c >= BYTE_OF.length || BYTE_OF[c] < 0) {
                return token.getBytes(StandardCharsets.UTF_8);
            }
            mapped[i] = (byte) BYTE_OF[c];
        }
        return mapped;
    }

    /** GPT-2's alphabet: printable Latin-1 stands for itself, the other 68 bytes for characters from U+0100 on. */
    private static int[] byteOfCharacter() {
        int[] bytes = new int[0x100 + 68];
        Arrays.fill(bytes, -1);
        int next = 0x100;
        for (int b = 0; b < 256; b++) {
            boolean printable = b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae;
            bytes[printable ? b : next++] = b;
        }
        return bytes;
    }

    @Override
    public int[] encode(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isHighSurrogate(text.charAt(i))
                    && i + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(text.charAt(i))) {
                throw new VlmException(
                        ErrorCode.PROMPT_UNSUPPORTED,
                        "a text contains half of a surrogate pair, which is no character; send valid Unicode");
            }
        }
        long[] ids = encoder.encode(text, false, false).getIds();
        return Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
    }

    @Override
    public byte[] bytes(int tokenId) {
        byte[] token = tokenId >= 0 && tokenId < bytes.length ? bytes[tokenId] : null;
        return token == null ? new byte[0] : token.clone();
    }

    @Override
    public boolean isSpecial(int tokenId) {
        return special.get(tokenId);
    }

    @Override
    public IncrementalDecoder incrementalDecoder() {
        if (decoding != TokenDecoding.BYTE_LEVEL) {
            return new PieceDecoder(this, byteTokens, decoding == TokenDecoding.PIECES_STRIPPED);
        }
        return new IncrementalDecoder() {
            private final Utf8Stream stream = new Utf8Stream();

            @Override
            public String next(int tokenId) {
                StringBuilder text = new StringBuilder();
                if (!isSpecial(tokenId)) {
                    stream.decode(bytes(tokenId), text);
                }
                return text.toString();
            }

            @Override
            public String finish() {
                StringBuilder text = new StringBuilder();
                stream.finish(text);
                return text.toString();
            }
        };
    }

    private static VlmException corrupt(Path file, String problem, @Nullable Throwable cause) {
        return new VlmException(ErrorCode.BUNDLE_CORRUPT, file + ": " + problem, cause);
    }
}
