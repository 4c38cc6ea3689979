package org.vlmserve.media;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;

/**
 * What a file is, by its content and never by what anyone declares. The formats that are not read are known too, so that
 * their sender is told what was sent.
 */
public enum FileFormat {
    JPEG("JPEG", "image/jpeg", Kind.PICTURE),
    PNG("PNG", "image/png", Kind.PICTURE),
    WEBP("WebP", "image/webp", Kind.PICTURE),
    GIF("GIF", "image/gif", Kind.PICTURE),
    TIFF("TIFF", "image/tiff", Kind.PICTURE),
    BMP("BMP", "image/bmp", Kind.PICTURE),

    /** And its relatives, such as MOV. */
    MP4("MP4", "video/mp4", Kind.VIDEO),
    /** And Matroska. */
    WEBM("WebM", "video/webm", Kind.VIDEO),

    AVIF("AVIF", "image/avif", Kind.UNREAD),
    HEIC("HEIC", "image/heic", Kind.UNREAD),
    JPEG_XL("JPEG XL", "image/jxl", Kind.UNREAD),
    JPEG_2000("JPEG 2000", "image/jp2", Kind.UNREAD),
    BIG_TIFF("BigTIFF", "image/tiff", Kind.UNREAD),
    CAMERA_RAW("a camera's raw file", "image/x-raw", Kind.UNREAD),
    ICO("ICO", "image/x-icon", Kind.UNREAD),
    PSD("PSD", "image/vnd.adobe.photoshop", Kind.UNREAD),
    EPS("EPS", "application/postscript", Kind.UNREAD),
    PDF("PDF", "application/pdf", Kind.UNREAD),
    SVG("SVG", "image/svg+xml", Kind.UNREAD),
    AVI("AVI", "video/x-msvideo", Kind.UNREAD),
    FLASH_VIDEO("Flash video", "video/x-flv", Kind.UNREAD),
    OGG("Ogg", "video/ogg", Kind.UNREAD),
    WINDOWS_MEDIA("Windows Media", "video/x-ms-wmv", Kind.UNREAD),
    MPEG("an MPEG stream", "video/mpeg", Kind.UNREAD),
    ZIP("a ZIP archive", "application/zip", Kind.UNREAD),
    GZIP("gzip", "application/gzip", Kind.UNREAD),
    HTML("HTML", "text/html", Kind.UNREAD),
    XML("XML", "application/xml", Kind.UNREAD),
    JSON("JSON", "application/json", Kind.UNREAD),
    TEXT("text", "text/plain", Kind.UNREAD),
    EMPTY("empty", "application/octet-stream", Kind.UNREAD),
    UNKNOWN("of no known format", "application/octet-stream", Kind.UNREAD);

    private enum Kind {
        PICTURE,
        VIDEO,
        UNREAD
    }

    /** How much of a file is looked at where its text decides. */
    private static final int TEXT_HEAD = 1024;

    private final String title;
    private final String mediaType;
    private final Kind kind;

    FileFormat(String title, String mediaType, Kind kind) {
        this.title = title;
        this.mediaType = mediaType;
        this.kind = kind;
    }

    /** As in a sentence: {@code the file is AVIF}. */
    public String title() {
        return title;
    }

    /** Such as {@code image/png}. */
    public String mediaType() {
        return mediaType;
    }

    /** Whether files of this format are decoded to a picture. */
    public boolean isPicture() {
        return kind == Kind.PICTURE;
    }

    /** Whether files of this format are decoded to frames. */
    public boolean isVideo() {
        return kind == Kind.VIDEO;
    }

    /** Whether a file may be one frame of a video that comes as a list; a GIF may hold several, which would be lost. */
    public boolean isFrame() {
        return isPicture() && this != GIF;
    }

    /** The format of a file with this content. */
    public static FileFormat of(byte[] content) {
        if (content.length == 0) {
            return EMPTY;
        }
        Head head = new Head(content);
        FileFormat binary = binary(head);
        return binary != null ? binary : text(head);
    }

    private static @Nullable FileFormat binary(Head head) {
        if (head.has(0, 0xFF, 0xD8, 0xFF)) {
            return JPEG;
        }
        if (head.has(0, 0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n')) {
            return PNG;
        }
        if (head.has(0, "GIF87a") || head.has(0, "GIF89a")) {
            return GIF;
        }
        if (head.has(0, "RIFF")) {
            return head.has(8, "WEBP") ? WEBP : head.has(8, "AVI ") ? AVI : null;
        }
        if (head.has(0, 'I', 'I', 42, 0) || head.has(0, 'M', 'M', 0, 42)) {
            return head.has(8, "CR") || isRawTiff(head) ? CAMERA_RAW : TIFF;
        }
        if (head.has(0, 'I', 'I', 43, 0) || head.has(0, 'M', 'M', 0, 43)) {
            return BIG_TIFF;
        }
        if (head.has(0, "IIRO")
                || head.has(0, "IIRS")
                || head.has(0, "MMOR")
                || head.has(0, 'I', 'I', 'U', 0)
                || head.has(0, "FUJIFILMCCD-RAW")
                || head.has(0, "FOVb")) {
            return CAMERA_RAW;
        }
        if (head.has(0, "BM") && isBitmap(head)) {
            return BMP;
        }
        if (head.has(4, "ftyp")) {
            return ofBrands(head);
        }
        // QuickTime files from before there was ftyp begin with one of these.
        if (head.has(4, "moov") || head.has(4, "mdat") || head.has(4, "wide") || head.has(4, "skip")) {
            return MP4;
        }
        if (head.has(0, 0x1A, 0x45, 0xDF, 0xA3)) {
            return WEBM;
        }
        if (head.has(0, 0xFF, 0x0A) || head.has(0, 0, 0, 0, 12, 'J', 'X', 'L', ' ')) {
            return JPEG_XL;
        }
        if (head.has(0, 0, 0, 0, 12, 'j', 'P', ' ', ' ') || head.has(0, 0xFF, 0x4F, 0xFF, 0x51)) {
            return JPEG_2000;
        }
        if (head.has(0, 0, 0, 1, 0) || head.has(0, 0, 0, 2, 0)) {
            return ICO;
        }
        if (head.has(0, "8BPS")) {
            return PSD;
        }
        if (head.has(0, "%!PS") || head.has(0, 0xC5, 0xD0, 0xD3, 0xC6)) {
            return EPS;
        }
        // Readers allow anything in a PDF's first kilobyte, and some writers use it.
        if (head.latin().contains("%PDF-")) {
            return PDF;
        }
        if (head.has(0, "FLV")) {
            return FLASH_VIDEO;
        }
        if (head.has(0, "OggS")) {
            return OGG;
        }
        if (head.has(0, 0x30, 0x26, 0xB2, 0x75)) {
            return WINDOWS_MEDIA;
        }
        if (head.has(0, 0, 0, 1, 0xBA) || head.has(0, 0x47) && head.has(188, 0x47) && head.has(376, 0x47)) {
            return MPEG;
        }
        if (head.has(0, 'P', 'K', 3, 4)) {
            return ZIP;
        }
        return head.has(0, 0x1F, 0x8B) ? GZIP : null;
    }

    /** ISO 14496-12 and its still pictures: the major brand decides, then the compatible ones. */
    private static FileFormat ofBrands(Head head) {
        int end = (int) Math.clamp(head.number(0, 4, false), 16, 256);
        boolean heif = false;
        for (int at = 8; at + 4 <= end; at += at == 8 ? 8 : 4) {
            String brand = head.text(at, 4);
            switch (brand) {
                case "avif", "avis" -> {
                    return AVIF;
                }
                case "heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs" -> {
                    return HEIC;
                }
                case "crx " -> {
                    return CAMERA_RAW;
                }
                case "mif1", "msf1" -> heif = true;
                default -> {
                    if (at == 8) {
                        return MP4;
                    }
                }
            }
        }
        return heif ? HEIC : MP4;
    }

    /** Two letters are a weak signature: the header that follows them has one of a few lengths. */
    private static boolean isBitmap(Head head) {
        long header = head.number(14, 4, true);
        return header == 12 || header >= 16 && header <= 124;
    }

    /** Raw files that call themselves TIFF say DNG, or hold a thumbnail first and the camera's data below it. */
    private static boolean isRawTiff(Head head) {
        boolean little = head.has(0, 'I');
        long directory = head.number(4, 4, little);
        if (directory < 8 || directory > Integer.MAX_VALUE - 16) {
            return false;
        }
        boolean thumbnail = false;
        boolean maker = false;
        boolean below = false;
        long entries = Math.min(head.number((int) directory, 2, little), 256);
        for (int i = 0; i < entries; i++) {
            int at = (int) Math.min(directory + 2 + 12L * i, Integer.MAX_VALUE - 16);
            switch ((int) head.number(at, 2, little)) {
                case 254 -> thumbnail = (head.number(at + 8, 4, little) & 1) == 1;
                case 271 -> maker = true;
                case 330 -> below = true;
                case 50706 -> {
                    return true;
                }
                default -> {}
            }
        }
        return thumbnail && maker && below;
    }

    private static FileFormat text(Head head) {
        String text = head.text();
        if (text == null) {
            return UNKNOWN;
        }
        String start = text.stripLeading().toLowerCase(Locale.ROOT);
        if (start.startsWith("<")) {
            return start.contains("<svg")
                    ? SVG
                    : start.startsWith("<!doctype html") || start.contains("<html") || start.contains("<head")
                            ? HTML
                            : XML;
        }
        return start.startsWith("{") || start.startsWith("[") ? JSON : TEXT;
    }

    /**
     * Requires a picture.
     *
     * @param param the request field that holds it, or null
     * @throws VlmException {@code PICTURE_TYPE_UNSUPPORTED}, or {@code PICTURE_UNREADABLE} for an empty file
     */
    public static FileFormat requirePicture(byte[] content, @Nullable String param) {
        FileFormat format = of(content);
        if (!format.isPicture()) {
            throw refused("picture", format, "one of " + titles(Kind.PICTURE), param);
        }
        return format;
    }

    /**
     * Requires a video, or a frame of one that comes as a list.
     *
     * @param several whether this is one of several files, and so no video of its own
     * @throws VlmException {@code PICTURE_TYPE_UNSUPPORTED}, or {@code PICTURE_UNREADABLE} for an empty file
     */
    public static FileFormat requireVideo(byte[] content, boolean several, @Nullable String param) {
        FileFormat format = of(content);
        if (!format.isFrame() && (several || !format.isVideo())) {
            String frames = Arrays.stream(values())
                    .filter(FileFormat::isFrame)
                    .map(FileFormat::title)
                    .collect(Collectors.joining(", "));
            throw refused(
                    several ? "frame" : "video",
                    format,
                    several ? "one of " + frames : "one of " + titles(Kind.VIDEO) + ", or a frame in one of " + frames,
                    param);
        }
        return format;
    }

    private static String titles(Kind kind) {
        return Arrays.stream(values())
                .filter(format -> format.kind == kind)
                .map(FileFormat::title)
                .collect(Collectors.joining(", "));
    }

    private static VlmException refused(String what, FileFormat found, String expected, @Nullable String param) {
        if (found == EMPTY) {
            return new VlmException(ErrorCode.PICTURE_UNREADABLE, "the " + what + " is empty", param, null);
        }
        String hint = switch (found) {
            case HTML, XML, JSON, TEXT -> "; it looks like an answer of the file's host, such as an error";
            case AVIF, HEIC, JPEG_XL, JPEG_2000, BIG_TIFF, CAMERA_RAW, ICO, PSD, EPS, SVG -> "; save it as PNG or JPEG";
            case PDF -> "; send its pages as pictures";
            case AVI, FLASH_VIDEO, OGG, WINDOWS_MEDIA, MPEG -> "; send H.264 in MP4, or VP9 in WebM";
            case MP4, WEBM -> "; send a video as video_url";
            default -> "";
        };
        return new VlmException(
                ErrorCode.PICTURE_TYPE_UNSUPPORTED,
                "the " + what + " is " + found.title + ", expected " + expected + hint,
                param,
                null);
    }

    /** The beginning of a file; there is nothing beyond its end. */
    private record Head(byte[] content) {

        boolean has(int at, String ascii) {
            for (int i = 0; i < ascii.length(); i++) {
                if (at + i >= content.length || content[at + i] != ascii.charAt(i)) {
                    return false;
                }
            }
            return true;
        }

        boolean has(int at, int... bytes) {
            for (int i = 0; i < bytes.length; i++) {
                if (at + i >= content.length || (content[at + i] & 0xFF) != bytes[i]) {
                    return false;
                }
            }
            return true;
        }

        /** An unsigned number, 0 beyond the end. */
        long number(int at, int size, boolean little) {
            if (at > content.length - size) {
                return 0;
            }
            long value = 0;
            for (int i = 0; i < size; i++) {
                value = value << 8 | content[little ? at + size - 1 - i : at + i] & 0xFF;
            }
            return value;
        }

        String text(int at, int length) {
            return at + length > content.length ? "" : new String(content, at, length, StandardCharsets.ISO_8859_1);
        }

        String latin() {
            return text(0, Math.min(content.length, TEXT_HEAD));
        }

        /** The beginning as text, or null if it holds what no text holds. */
        @Nullable
        String text() {
            int from = has(0, 0xEF, 0xBB, 0xBF) ? 3 : 0;
            String start = new String(
                    content,
                    from,
                    Math.min(content.length, TEXT_HEAD) - Math.min(from, content.length),
                    StandardCharsets.UTF_8);
            boolean odd = start.chars()
                    .limit(Math.max(1, start.length() - 4))
                    .anyMatch(c -> c == '\uFFFD' || c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f');
            return odd ? null : start;
        }
    }
}
