package org.vlmserve.gateway.picture;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vlmserve.protocol.error.VlmException;

/**
 * An http or https URL in the one spelling that goes on the wire. Paths and queries are taken as browsers take them: what may not stand in a URL is percent-encoded,
 * dot segments are resolved, the fragment is dropped. Hosts are not: two readers of a URL must never disagree about its host.
 *
 * @param scheme {@code http} or {@code https}
 * @param host in lower case, an IPv6 address in brackets
 * @param port as written, or -1
 * @param path from its first slash
 * @param query with its question mark, or empty
 */
record FetchUrl(String scheme, String host, int port, String path, String query) {

    /** Signed URLs of object stores have some two thousand characters; servers read request lines of about so many. */
    private static final int LONGEST = 8 << 10;

    private static final Pattern URL =
            Pattern.compile("([A-Za-z][A-Za-z0-9+.-]*):(//([^/?#]*))?([^?#]*)(\\?[^#]*)?(#.*)?", Pattern.DOTALL);
    private static final Pattern SCHEME = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]*:.*", Pattern.DOTALL);
    private static final Pattern AUTHORITY =
            Pattern.compile("(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5})?)?");

    /** RFC 3986, section 3.3 and 3.4: what may stand in a path or query, and the percent sign of what is encoded already. */
    private static final String MAY_STAND =
            "!$&'()*+,-./0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";

    /**
     * @param param the request field at fault
     * @throws VlmException {@code PICTURE_URL_REFUSED}
     */
    static FetchUrl parse(String text, String param) {
        if (text.length() > LONGEST) {
            throw AddressPolicy.refused(
                    "the URL has " + text.length() + " characters, expected at most " + LONGEST
                            + "; content belongs into a data: URL",
                    param);
        }
        Matcher url = URL.matcher(text.strip());
        String scheme = url.matches() ? url.group(1).toLowerCase(Locale.ROOT) : "";
        if (!scheme.equals("http") && !scheme.equals("https")) {
            throw AddressPolicy.refused(
                    "the URL's scheme is '"
                            + (scheme.length() <= 20 ? scheme : scheme.substring(0, 20) + "…")
                            + "', expected https, http or data, or base64 alone",
                    param);
        }
        String authority = url.group(3);
        if (authority != null && authority.contains("@")) {
            throw AddressPolicy.refused("the URL holds credentials; picture URLs must work without", param);
        }
        Matcher parts = AUTHORITY.matcher(authority == null ? "" : authority);
        if (!parts.matches()) {
            throw AddressPolicy.refused(
                    "the URL's host is missing or spelled unusually; expected a DNS name in ASCII, four"
                            + " decimal numbers or an IPv6 address in brackets",
                    param);
        }
        int port = parts.group(2) == null ? -1 : Integer.parseInt(parts.group(2));
        if (port == 0 || port > 65535) {
            throw AddressPolicy.refused("the URL's port is " + port + ", expected 1 to 65535", param);
        }
        String query = url.group(5);
        return new FetchUrl(
                scheme,
                parts.group(1).toLowerCase(Locale.ROOT),
                port,
                withoutDotSegments(encoded(url.group(4), false)),
                query == null ? "" : "?" + encoded(query.substring(1), true));
    }

    /**
     * Where a redirect leads, still to be parsed and checked (RFC 3986, section 5.2).
     *
     * @param location as the header has it, a character for each byte
     */
    String resolve(String location) {
        StringBuilder ascii = new StringBuilder();
        for (char c : location.strip().toCharArray()) {
            // Servers write UTF-8 here; each byte came as a character.
            ascii.append(c <= 0x7F ? String.valueOf(c) : percent(c & 0xFF));
        }
        String reference = ascii.toString();
        if (SCHEME.matcher(reference).matches()) {
            return reference;
        }
        if (reference.startsWith("//")) {
            return scheme + ":" + reference;
        }
        String origin = scheme + "://" + host + (port < 0 ? "" : ":" + port);
        if (reference.startsWith("/")) {
            return origin + reference;
        }
        if (reference.isEmpty() || reference.startsWith("#")) {
            return origin + path + query;
        }
        return origin + (reference.startsWith("?") ? path : path.substring(0, path.lastIndexOf('/') + 1)) + reference;
    }

    int effectivePort() {
        return port > 0 ? port : scheme.equals("https") ? 443 : 80;
    }

    /** As the Host header wants it. */
    String hostHeader() {
        return port < 0 ? host : host + ":" + port;
    }

    /** Path and query. */
    String requestTarget() {
        return path + query;
    }

    private static String encoded(String text, boolean query) {
        StringBuilder encoded = new StringBuilder();
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            boolean keep = MAY_STAND.indexOf(c) >= 0 || (query && c == '?') || (c == '%' && isEncoded(text, i));
            if (keep) {
                encoded.appendCodePoint(c);
            } else if (c != '\t' && c != '\n' && c != '\r') {
                for (byte one : Character.toString(c).getBytes(StandardCharsets.UTF_8)) {
                    encoded.append(percent(one & 0xFF));
                }
            }
            i += Character.charCount(c);
        }
        return encoded.toString();
    }

    private static boolean isEncoded(String text, int at) {
        return at + 2 < text.length()
                && Character.digit(text.charAt(at + 1), 16) >= 0
                && Character.digit(text.charAt(at + 2), 16) >= 0;
    }

    private static String percent(int value) {
        return "%" + Character.toUpperCase(Character.forDigit(value >> 4, 16))
                + Character.toUpperCase(Character.forDigit(value & 15, 16));
    }

    private static String withoutDotSegments(String path) {
        List<String> kept = new ArrayList<>();
        String[] segments = path.split("/", -1);
        for (int i = 1; i < segments.length; i++) {
            String segment = segments[i].replace("%2e", ".").replace("%2E", ".");
            boolean last = i == segments.length - 1;
            if (segment.equals("..")) {
                if (!kept.isEmpty()) {
                    kept.removeLast();
                }
            } else if (!segment.equals(".")) {
                kept.add(segments[i]);
                continue;
            }
            if (last) {
                kept.add("");
            }
        }
        return "/" + String.join("/", kept);
    }
}
