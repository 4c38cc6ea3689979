package org.vlmserve.decoder;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.vlmserve.families.prompt.PreparedPrompt;
import org.vlmserve.families.prompt.PromptBuilder;
import org.vlmserve.families.prompt.Tokenizer;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.Region;

/**
 * A family for tests: a token is a letter, the end token, a picture's placeholder, or a piece of text given at
 * construction. Pictures take their layout's tokens, one position for each row, and positions in three channels of which
 * the first stands still inside a picture.
 */
final class ByteTokens implements PromptBuilder {

    static final int END = 26;
    static final int PICTURE = 27;
    static final int FIRST_PIECE = 28;

    /** Called with each conversation before it is prepared. */
    volatile Consumer<List<ChatTurn>> beforePreparing = turns -> {};

    private final List<byte[]> pieces;
    private final PreparedPrompt.Prefill prefill;

    ByteTokens(PreparedPrompt.Prefill prefill, byte[]... pieces) {
        this.prefill = prefill;
        this.pieces = List.of(pieces);
    }

    int vocabulary() {
        return FIRST_PIECE + pieces.size();
    }

    @Override
    public Tokenizer tokenizer() {
        return new ByteTokenizer();
    }

    /** The whole answer is about the last picture, as wide as it and as high as the answer is long. */
    @Override
    public List<Region> regions(String text, int[] tokenIds, List<PictureLayout> pictures) {
        return pictures.isEmpty()
                ? List.of()
                : List.of(new Region(
                        text,
                        pictures.size() - 1,
                        0,
                        0,
                        pictures.getLast().source().width(),
                        tokenIds.length));
    }

    @Override
    public PreparedPrompt prepare(
            List<ChatTurn> turns, List<PictureLayout> pictures, Map<String, ?> templateArguments) {
        beforePreparing.accept(turns);
        List<int[]> columns = new ArrayList<>();
        int pictureTokens = 0;
        long position = 0;
        List<long[]> positions = new ArrayList<>();
        for (ChatTurn turn : turns) {
            for (ChatTurn.Part part : turn.parts()) {
                switch (part) {
                    case ChatTurn.Text text -> {
                        for (int id : tokenizer().encode(text.text())) {
                            columns.add(new int[] {id, -1, id});
                            positions.add(new long[] {position, position, position});
                            position++;
                        }
                    }
                    case ChatTurn.Visual picture -> {
                        int tokens = pictures.get(picture.index()).tokens();
                        for (int row = 0; row < tokens; row++) {
                            columns.add(new int[] {PICTURE, picture.index(), row});
                            positions.add(new long[] {position, position + row, position});
                        }
                        pictureTokens += tokens;
                        position += tokens;
                    }
                }
            }
        }
        int length = columns.size();
        long[][] channels = new long[3][length];
        for (int i = 0; i < length; i++) {
            for (int channel = 0; channel < 3; channel++) {
                channels[channel][i] = positions.get(i)[channel];
            }
        }
        return new PreparedPrompt(
                "",
                columns.stream().mapToInt(column -> column[0]).toArray(),
                columns.stream().mapToInt(column -> column[1]).toArray(),
                columns.stream().mapToInt(column -> column[2]).toArray(),
                channels,
                position,
                pictureTokens,
                prefill);
    }

    private final class ByteTokenizer implements Tokenizer {

        @Override
        public int leastTokens(String text) {
            return text.length();
        }

        @Override
        public int[] encode(String text) {
            return text.chars().map(letter -> letter - 'a').toArray();
        }

        @Override
        public byte[] bytes(int tokenId) {
            if (tokenId < END) {
                return new byte[] {(byte) ('a' + tokenId)};
            }
            return tokenId < FIRST_PIECE ? new byte[0] : pieces.get(tokenId - FIRST_PIECE);
        }

        @Override
        public boolean isSpecial(int tokenId) {
            return tokenId == END || tokenId == PICTURE;
        }

        @Override
        public IncrementalDecoder incrementalDecoder() {
            return new IncrementalDecoder() {
                private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                private int given;

                @Override
                public String next(int tokenId) {
                    bytes.writeBytes(bytes(tokenId));
                    String all = bytes.toString(StandardCharsets.UTF_8);
                    if (all.endsWith("\uFFFD")) {
                        return "";
                    }
                    String growth = all.substring(given);
                    given = all.length();
                    return growth;
                }

                @Override
                public String finish() {
                    return bytes.toString(StandardCharsets.UTF_8).substring(given);
                }
            };
        }
    }
}
