package org.vlmserve.families.prompt;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;

/**
 * Decodes pieces and byte tokens. A run of byte tokens is text if the whole of it is UTF-8, and otherwise one U+FFFD for each
 * byte; so nothing of a run is known before the token behind it. Follows {@code byte_fallback.rs} and {@code strip.rs} of the
 * reference's tokenizers library, 0.23.
 */
final class PieceDecoder implements Tokenizer.IncrementalDecoder {

    private final Tokenizer tokenizer;
    private final BitSet byteTokens;
    private final ByteArrayOutputStream run = new ByteArrayOutputStream();
    private boolean strip;

    /** @param strip whether one space at the very beginning is left out */
    PieceDecoder(Tokenizer tokenizer, BitSet byteTokens, boolean strip) {
        this.tokenizer = tokenizer;
        this.byteTokens = byteTokens;
        this.strip = strip;
    }

    /** Whether this is the name of a byte token, such as {@code <0x0A>}. */
    static boolean isByte(String token) {
        return token.length() == 6
                && token.startsWith("<0x")
                && token.endsWith(">")
                && Character.digit(token.charAt(3), 16) >= 0
                && Character.digit(token.charAt(4), 16) >= 0;
    }

    @Override
    public String next(int tokenId) {
        byte[] bytes = tokenizer.bytes(tokenId);
        if (tokenizer.isSpecial(tokenId) || bytes.length == 0) {
            return "";
        }
        if (byteTokens.get(tokenId)) {
            run.writeBytes(bytes);
            return "";
        }
        return stripped(endOfRun() + new String(bytes, StandardCharsets.UTF_8));
    }

    @Override
    public String finish() {
        return stripped(endOfRun());
    }

    private String endOfRun() {
        byte[] bytes = run.toByteArray();
        run.reset();
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            return "\ufffd".repeat(bytes.length);
        }
    }

    private String stripped(String text) {
        if (!strip || text.isEmpty()) {
            return text;
        }
        strip = false;
        return text.startsWith(" ") ? text.substring(1) : text;
    }
}
