package org.vlmserve.families.prompt;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
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

    /** Twice the largest published one. */
    private static final long LARGEST_FILE = 64 << 20;

    /** The library takes minutes to read one of some ten thousand characters. */
    private static final int LONGEST_ADDED_TOKEN = 256;

    /** Four times the largest published vocabulary. */
    private static final int LARGEST_ID = (1 << 20) - 1;

    /**
     * Characters of a text, more than any context holds. The library's expression engine gives up, and with it the process, after ten
     * million steps of one match, as in so many spaces.
     */
    private static final int LONGEST_TEXT = 1 << 21;

    /** What ways of splitting a text that lose some of it are called, and what they are told. */
    private static final List<String> DROPPING = List.of("Removed", "Whitespace", "Bert", "CharDelimiterSplit");

    private static final int[] BYTE_OF = byteOfCharacter();

    static {
        // Nothing is fetched and nothing is reported: the library is in its jar, the tokenizer in the bundle.
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("OPT_OUT_TRACKING", "true");
    }

    private final HuggingFaceTokenizer library;
    private final TokenDecoding decoding;
    private final byte[][] bytes;
    private final long mostCharacters;
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
        String fault = TokenizerCheck.fault(json);
        if (fault != null) {
            throw corrupt(file, fault, null);
        }
        JsonNode vocabulary = json.path("model").path("vocab");
        JsonNode added = json.path("added_tokens");
        if (!vocabulary.isObject() || !added.isArray()) {
            throw corrupt(file, "model.vocab or added_tokens is missing", null);
        }
        int ids = 0;
        for (Map.Entry<String, JsonNode> token : vocabulary.properties()) {
            ids = Math.max(ids, id(file, token.getKey(), token.getValue()) + 1);
        }
        for (JsonNode token : added) {
            String content = token.path("content").asString("");
            if (content.length() > LONGEST_ADDED_TOKEN) {
                throw corrupt(
                        file,
                        "an added token has " + content.length() + " characters, expected at most "
                                + LONGEST_ADDED_TOKEN,
                        null);
            }
            ids = Math.max(ids, id(file, content, token.path("id")) + 1);
        }
        bytes = new byte[ids][];
        byteTokens = new BitSet();
        for (Map.Entry<String, JsonNode> token : vocabulary.properties()) {
            put(token.getValue().intValue(), token.getKey());
        }
        special = new BitSet();
        for (JsonNode token : added) {
            String content = token.path("content").asString("");
            int id = token.path("id").intValue();
            put(id, content);
            if (token.path("special").asBoolean(false)) {
                special.set(id);
            }
        }
        mostCharacters = mostCharacters(decoding, bytes, json);
        library = library(file, json);
    }

    /** Loads a tokenizer as a decoder does, and lets it go. @throws VlmException {@code BUNDLE_CORRUPT} */
    public static void check(Path file, ObjectNode json) {
        new HuggingFaceTokenizerFile(file, json).library.close();
    }

    /** A tokenizer for texts alone, which makes no text of tokens. @throws VlmException {@code BUNDLE_CORRUPT} */
    static Function<String, int[]> encoder(Path file, ObjectNode json) {
        HuggingFaceTokenizer library = library(file, json);
        return text -> encode(library, text);
    }

    private static HuggingFaceTokenizer library(Path file, ObjectNode json) {
        // What is done here and not in the library, it need not read.
        ObjectNode lean = JsonMapper.shared().createObjectNode();
        lean.setAll(json);
        for (String part : List.of("truncation", "padding", "post_processor", "decoder")) {
            lean.putNull(part);
        }
        try {
            return HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(JsonMapper.shared().writeValueAsBytes(lean)),
                    Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false"));
        } catch (IOException | RuntimeException e) {
            throw corrupt(file, "cannot be loaded: " + e.getMessage(), e);
        }
    }

    /** @throws VlmException {@code BUNDLE_CORRUPT} if there is no such file or no JSON object in it */
    public static ObjectNode read(Path file) {
        try {
            if (Files.size(file) > LARGEST_FILE) {
                throw corrupt(file, "has " + Files.size(file) + " bytes, expected at most " + LARGEST_FILE, null);
            }
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

    private static int id(Path file, String token, JsonNode id) {
        if (!id.isInt() || id.intValue() < 0 || id.intValue() > LARGEST_ID) {
            throw corrupt(
                    file, "token '" + token + "' has the id " + id + "; expected a number up to " + LARGEST_ID, null);
        }
        return id.intValue();
    }

    private void put(int id, String token) {
        if (decoding == TokenDecoding.BYTE_LEVEL) {
            bytes[id] = byteLevel(token);
        } else if (PieceDecoder.isByte(token)) {
            byteTokens.set(id);
            bytes[id] = new byte[] {(byte) Integer.parseInt(token.substring(3, 5), 16)};
        } else {
            bytes[id] = token.replace('▁', ' ').getBytes(StandardCharsets.UTF_8);
        }
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
        return encode(library, text);
    }

    private static int[] encode(HuggingFaceTokenizer library, String text) {
        if (text.length() > LONGEST_TEXT) {
            throw new VlmException(
                    ErrorCode.PROMPT_TOO_LONG,
                    "a text has " + text.length() + " characters, expected at most " + LONGEST_TEXT
                            + "; send less of it");
        }
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
        long[] ids = library.encode(text, false, false).getIds();
        return Arrays.stream(ids).mapToInt(Math::toIntExact).toArray();
    }

    @Override
    public int leastTokens(String text) {
        // A character has at least one byte; what is more is left to the tokenizer itself.
        return (int) Math.min(Integer.MAX_VALUE, text.length() / mostCharacters);
    }

    /**
     * Characters of a text that one token can stand for. Byte-level pieces lose nothing of a text that is not normalised; of one that is
     * composed (NFC), three characters may become one. Of others nothing is known, nor where parts of a text are dropped.
     */
    private static long mostCharacters(TokenDecoding decoding, byte[][] bytes, ObjectNode json) {
        JsonNode normalizer = json.path("normalizer");
        boolean composed = normalizer.path("type").asString("").equals("NFC");
        String splitting = json.path("pre_tokenizer").toString();
        boolean drops = DROPPING.stream().anyMatch(splitting::contains);
        for (JsonNode token : json.path("added_tokens")) {
            drops |= token.path("lstrip").asBoolean(false)
                    || token.path("rstrip").asBoolean(false);
        }
        if (drops
                || decoding != TokenDecoding.BYTE_LEVEL
                || !composed && !normalizer.isNull() && !normalizer.isMissingNode()) {
            return Long.MAX_VALUE;
        }
        long longest = Arrays.stream(bytes)
                .filter(Objects::nonNull)
                .mapToInt(token -> token.length)
                .max()
                .orElse(1);
        return Math.max(1, composed ? 3 * longest : longest);
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
