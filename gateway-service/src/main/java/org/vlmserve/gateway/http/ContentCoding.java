package org.vlmserve.gateway.http;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.zip.GZIPInputStream;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;

/** How a message's content is coded on its way (RFC 9110, section 8.4). */
public enum ContentCoding {
    IDENTITY,
    GZIP,
    /** The zlib format, or what is inside of it: servers differ about the name. */
    DEFLATE;

    private static final int PIECE = 8 << 10;

    /**
     * What the values of {@code Content-Encoding} name.
     *
     * @throws IllegalArgumentException with the names, if they are more than one or none of these
     */
    public static ContentCoding of(List<String> values, Set<ContentCoding> known) {
        List<String> codings = values.stream()
                .flatMap(value -> List.of(value.split(",")).stream())
                .map(coding -> coding.strip().toLowerCase(Locale.ROOT))
                .filter(coding -> !coding.isEmpty() && !coding.equals("identity"))
                .toList();
        if (codings.isEmpty()) {
            return IDENTITY;
        }
        ContentCoding coding = codings.size() > 1
                ? null
                : switch (codings.getFirst()) {
                    case "gzip", "x-gzip" -> GZIP;
                    case "deflate" -> DEFLATE;
                    default -> null;
                };
        if (coding == null || !known.contains(coding)) {
            String names = String.join(", ", codings);
            throw new IllegalArgumentException(names.length() <= 64 ? names : names.substring(0, 64) + "…");
        }
        return coding;
    }

    /**
     * The content as it was before it was coded. Of {@code budget}, the coded content's length is given back and the result's is held.
     *
     * @param grown takes what is decoded, and ends it as soon as its limit is passed
     * @throws IOException for what is not of this coding, or is cut off
     */
    public byte[] decode(byte[] content, GrowingBody grown, MemoryBudget budget) throws IOException {
        if (this == IDENTITY) {
            return content;
        }
        byte[] piece = new byte[PIECE];
        try (InputStream decoded = decoder(content)) {
            for (int count = decoded.read(piece); count >= 0; count = decoded.read(piece)) {
                grown.add(piece, count);
            }
        }
        byte[] all = grown.finish();
        budget.release(content.length);
        return all;
    }

    private InputStream decoder(byte[] content) throws IOException {
        InputStream in = new ByteArrayInputStream(content);
        if (this == GZIP) {
            return new GZIPInputStream(in, PIECE);
        }
        boolean zlib = content.length >= 2
                && (content[0] & 0x0F) == 8
                && ((content[0] & 0xFF) << 8 | (content[1] & 0xFF)) % 31 == 0;
        Inflater inflater = new Inflater(!zlib);
        return new InflaterInputStream(in, inflater, PIECE) {
            @Override
            public void close() throws IOException {
                super.close();
                inflater.end();
            }
        };
    }
}
