package org.vlmserve.gateway.http;

import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.zip.GZIPInputStream;
import org.springframework.http.HttpHeaders;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/** How a body is coded on its way (RFC 9110, section 8.4). */
enum ContentCoding {
    IDENTITY,
    GZIP;

    private static final int PIECE = 8 << 10;

    /** @throws VlmException {@code CONTENT_ENCODING_UNSUPPORTED} naming the coding */
    static ContentCoding of(HttpHeaders headers) {
        List<String> codings = headers.getOrEmpty(HttpHeaders.CONTENT_ENCODING).stream()
                .flatMap(value -> List.of(value.split(",")).stream())
                .map(coding -> coding.strip().toLowerCase(Locale.ROOT))
                .filter(coding -> !coding.isEmpty() && !coding.equals("identity"))
                .toList();
        if (codings.isEmpty()) {
            return IDENTITY;
        }
        if (codings.size() == 1
                && (codings.getFirst().equals("gzip") || codings.getFirst().equals("x-gzip"))) {
            return GZIP;
        }
        String shown = String.join(", ", codings);
        throw new VlmException(
                ErrorCode.CONTENT_ENCODING_UNSUPPORTED,
                "the Content-Encoding header says " + (shown.length() <= 64 ? shown : shown.substring(0, 64) + "…")
                        + ", expected gzip or identity",
                HttpHeaders.CONTENT_ENCODING,
                null);
    }

    /**
     * The body as it was before it was coded. Of {@code budget}, the coded body's length is given back and the result's is held.
     *
     * @throws VlmException {@code REQUEST_TOO_LARGE}, as soon as the limit is passed; {@code INVALID_REQUEST} for what is not of this coding
     */
    byte[] decode(byte[] body, GrowingBody grown, MemoryBudget budget) {
        if (this == IDENTITY) {
            return body;
        }
        byte[] piece = new byte[PIECE];
        try (GZIPInputStream gzip = new GZIPInputStream(new ByteArrayInputStream(body), PIECE)) {
            for (int count = gzip.read(piece); count >= 0; count = gzip.read(piece)) {
                grown.add(piece, count);
            }
        } catch (EOFException e) {
            throw malformed("is cut off", e);
        } catch (IOException e) {
            throw malformed("is not gzip", e);
        }
        byte[] decoded = grown.finish();
        budget.release(body.length);
        return decoded;
    }

    private static VlmException malformed(String what, IOException cause) {
        return new VlmException(
                ErrorCode.INVALID_REQUEST,
                "the body is declared as gzip and " + what,
                HttpHeaders.CONTENT_ENCODING,
                cause);
    }
}
