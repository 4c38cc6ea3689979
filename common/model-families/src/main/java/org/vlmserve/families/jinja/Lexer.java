package org.vlmserve.families.jinja;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Splits a template into tokens. Whitespace is settled here, before anything is parsed: {@code -} strips, trim_blocks drops
 * one newline after a tag, lstrip_blocks drops blanks between the start of a line and a tag (never before a variable).
 */
final class Lexer {

    enum Kind {
        TEXT,
        BLOCK_BEGIN,
        BLOCK_END,
        VARIABLE_BEGIN,
        VARIABLE_END,
        NAME,
        INTEGER,
        FLOAT,
        STRING,
        OPERATOR,
        END
    }

    record Token(Kind kind, String value, int line) {
        boolean is(Kind other, String text) {
            return kind == other && value.equals(text);
        }
    }

    private static final int FLAGS = Pattern.DOTALL | Pattern.UNICODE_CHARACTER_CLASS;
    private static final Pattern RAW_BEGIN = Pattern.compile("\\{%([-+]?)\\s*raw\\s*(?:-%\\}\\s*|%\\})", FLAGS);
    private static final Pattern RAW_END =
            Pattern.compile("\\{%([-+]?)\\s*endraw\\s*(?:\\+%\\}|-%\\}\\s*|%\\}\\n?)", FLAGS);
    private static final Pattern COMMENT_END = Pattern.compile("\\+#\\}|-#\\}\\s*|#\\}\\n?", FLAGS);
    private static final Pattern BLOCK_END = Pattern.compile("\\+%\\}|-%\\}\\s*|%\\}\\n?", FLAGS);
    private static final Pattern VARIABLE_END = Pattern.compile("-\\}\\}\\s*|\\}\\}", FLAGS);
    private static final Pattern SPACE = Pattern.compile("\\s+", FLAGS);
    // Possessive where a group repeats: Java's matcher recurses into groups that it might have to leave again.
    private static final Pattern FLOAT = Pattern.compile(
            "(?<!\\.)\\d++(?:_\\d++)*+(?:(?:\\.\\d++(?:_\\d++)*+)?[eE][+-]?\\d++(?:_\\d++)*+|\\.\\d++(?:_\\d++)*+)");
    private static final Pattern INTEGER = Pattern.compile(
            "0[bB](?:_?[01])++|0[oO](?:_?[0-7])++|0[xX](?:_?[0-9a-fA-F])++|[1-9](?:_?\\d)*+|0(?:_?0)*+");
    private static final Pattern NAME = Pattern.compile("[\\p{L}_][\\p{L}\\p{M}\\p{N}_]*");
    private static final Pattern STRING =
            Pattern.compile("'([^'\\\\]*+(?:\\\\.[^'\\\\]*+)*+)'|\"([^\"\\\\]*+(?:\\\\.[^\"\\\\]*+)*+)\"", FLAGS);
    private static final List<String> OPERATORS = List.of(
            "//", "**", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "[", "]", "(", ")", "{", "}", "<", ">",
            "=", ".", ":", "|", ",", ";");

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int position;
    private boolean lineStarting = true;
    private int counted;
    private int line = 1;

    private Lexer(String source) {
        this.source = source;
    }

    static List<Token> tokens(String template) {
        String source = template.replace("\r\n", "\n").replace('\r', '\n');
        if (source.endsWith("\n")) {
            source = source.substring(0, source.length() - 1);
        }
        Lexer lexer = new Lexer(source);
        lexer.run();
        return lexer.tokens;
    }

    private void run() {
        while (position < source.length()) {
            int begin = nextTag();
            if (begin < 0) {
                text(source.substring(position));
                position = source.length();
                break;
            }
            char kind = source.charAt(begin + 1);
            char sign = begin + 2 < source.length() ? source.charAt(begin + 2) : ' ';
            text(strip(source.substring(position, begin), sign, kind != '{'));
            position = begin;
            switch (kind) {
                case '#' -> comment();
                case '%' -> block(sign);
                default -> {
                    add(Kind.VARIABLE_BEGIN, "{{");
                    position = begin + (sign == '-' || sign == '+' ? 3 : 2);
                    inside(VARIABLE_END, Kind.VARIABLE_END);
                }
            }
        }
        add(Kind.END, "");
    }

    private int nextTag() {
        for (int i = source.indexOf('{', position); i >= 0; i = source.indexOf('{', i + 1)) {
            if (i + 1 < source.length() && "%{#".indexOf(source.charAt(i + 1)) >= 0) {
                return i;
            }
        }
        return -1;
    }

    private String strip(String text, char sign, boolean tag) {
        if (sign == '-') {
            return Values.rstrip(text);
        }
        if (sign != '+' && tag) {
            int line = text.lastIndexOf('\n') + 1;
            if ((line > 0 || lineStarting)
                    && line < text.length()
                    && SPACE.matcher(text.substring(line)).matches()) {
                return text.substring(0, line);
            }
        }
        return text;
    }

    private void text(String text) {
        if (!text.isEmpty()) {
            add(Kind.TEXT, text);
        }
    }

    private void comment() {
        Matcher end = COMMENT_END.matcher(source);
        if (!end.find(position + 2)) {
            throw error("a comment is not closed");
        }
        advance(end);
    }

    private void block(char sign) {
        Matcher raw = RAW_BEGIN.matcher(source);
        if (at(raw)) {
            advance(raw);
            Matcher end = RAW_END.matcher(source);
            if (!end.find(position)) {
                throw error("a raw block is not closed");
            }
            String endSign = end.group(1);
            text(strip(source.substring(position, end.start()), endSign.isEmpty() ? ' ' : endSign.charAt(0), true));
            advance(end);
            return;
        }
        add(Kind.BLOCK_BEGIN, "{%");
        position += sign == '-' || sign == '+' ? 3 : 2;
        inside(BLOCK_END, Kind.BLOCK_END);
    }

    private void advance(Matcher match) {
        position = match.end();
        lineStarting = match.end() > match.start() && source.charAt(match.end() - 1) == '\n';
    }

    /** The expression part of a tag, to its end. An end inside brackets is none. */
    private void inside(Pattern endPattern, Kind endKind) {
        Deque<String> open = new ArrayDeque<>();
        Matcher end = endPattern.matcher(source);
        Matcher space = SPACE.matcher(source);
        Matcher number = FLOAT.matcher(source);
        Matcher integer = INTEGER.matcher(source);
        Matcher name = NAME.matcher(source);
        Matcher string = STRING.matcher(source);
        while (position < source.length()) {
            if (open.isEmpty() && at(end)) {
                add(endKind, "");
                advance(end);
                return;
            }
            if (at(space)) {
                position = space.end();
            } else if (at(number)) {
                add(Kind.FLOAT, number.group().replace("_", ""));
                position = number.end();
            } else if (at(integer)) {
                add(Kind.INTEGER, integer.group().replace("_", ""));
                position = integer.end();
            } else if (at(name)) {
                add(Kind.NAME, name.group());
                position = name.end();
            } else if (at(string)) {
                add(Kind.STRING, unescape(string.group(1) != null ? string.group(1) : string.group(2)));
                position = string.end();
            } else {
                String operator = operator();
                switch (operator) {
                    case "(" -> open.push(")");
                    case "[" -> open.push("]");
                    case "{" -> open.push("}");
                    case ")", "]", "}" -> {
                        if (open.isEmpty() || !open.pop().equals(operator)) {
                            throw error("unexpected '" + operator + "'");
                        }
                    }
                    default -> {}
                }
                add(Kind.OPERATOR, operator);
                position += operator.length();
            }
        }
        throw error("a tag is not closed");
    }

    private String operator() {
        for (String operator : OPERATORS) {
            if (source.startsWith(operator, position)) {
                return operator;
            }
        }
        throw error("unexpected character '" + source.charAt(position) + "'");
    }

    private boolean at(Matcher matcher) {
        matcher.region(position, source.length());
        return matcher.lookingAt();
    }

    /** Python's escapes in string literals; an unknown one stays as it is. */
    private String unescape(String literal) {
        if (literal.indexOf('\\') < 0) {
            return literal;
        }
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < literal.length(); i++) {
            char c = literal.charAt(i);
            if (c != '\\' || i + 1 == literal.length()) {
                out.append(c);
                continue;
            }
            char escape = literal.charAt(++i);
            switch (escape) {
                case '\n' -> {}
                case 'n' -> out.append('\n');
                case 't' -> out.append('\t');
                case 'r' -> out.append('\r');
                case 'a' -> out.append('\u0007');
                case 'b' -> out.append('\b');
                case 'f' -> out.append('\f');
                case 'v' -> out.append('\u000b');
                case '\\', '\'', '"' -> out.append(escape);
                case 'x', 'u', 'U' -> {
                    int digits = escape == 'x' ? 2 : escape == 'u' ? 4 : 8;
                    if (i + digits >= literal.length()) {
                        throw error("a \\" + escape + " escape needs " + digits + " digits");
                    }
                    try {
                        out.appendCodePoint(Integer.parseInt(literal.substring(i + 1, i + 1 + digits), 16));
                    } catch (IllegalArgumentException e) {
                        throw error("a \\" + escape + " escape needs " + digits + " hexadecimal digits");
                    }
                    i += digits;
                }
                case '0', '1', '2', '3', '4', '5', '6', '7' -> {
                    int end = i;
                    while (end < literal.length()
                            && end < i + 3
                            && literal.charAt(end) >= '0'
                            && literal.charAt(end) <= '7') {
                        end++;
                    }
                    out.appendCodePoint(Integer.parseInt(literal.substring(i, end), 8));
                    i = end - 1;
                }
                default -> out.append('\\').append(escape);
            }
        }
        return out.toString();
    }

    private void add(Kind kind, String value) {
        tokens.add(new Token(kind, value, line()));
        if (kind == Kind.TEXT) {
            lineStarting = value.endsWith("\n");
        }
    }

    private int line() {
        for (; counted < position; counted++) {
            if (source.charAt(counted) == '\n') {
                line++;
            }
        }
        return line;
    }

    private TemplateException error(String problem) {
        return new TemplateException("line " + line() + ": " + problem);
    }
}
