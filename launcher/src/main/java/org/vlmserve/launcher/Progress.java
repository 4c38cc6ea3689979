package org.vlmserve.launcher;

import java.io.PrintStream;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What a command does before it has a result, on standard error. A terminal gets one line that changes; a file gets a line
 * for each step that ended.
 */
final class Progress {

    private final PrintStream err;
    private final boolean terminal;
    private final Map<String, Long> running = new LinkedHashMap<>();

    Progress(PrintStream err, boolean terminal) {
        this.err = err;
        this.terminal = terminal;
    }

    synchronized void begin(String step) {
        running.put(step, System.nanoTime());
        draw();
    }

    synchronized void end(String step, String result) {
        Long since = running.remove(step);
        if (since == null) {
            return;
        }
        Duration took = Duration.ofNanos(System.nanoTime() - since);
        line(step + "… " + result + " " + seconds(took));
    }

    /** Drops the steps that will not end. */
    synchronized void abandon() {
        running.clear();
        draw();
    }

    /** A line that stays. */
    synchronized void line(String text) {
        clear();
        err.println(text);
        draw();
    }

    static String seconds(Duration duration) {
        return String.format(Locale.ROOT, "%.1f s", duration.toNanos() / 1e9);
    }

    private void clear() {
        if (terminal) {
            err.print("\r\u001b[K");
        }
    }

    private void draw() {
        if (terminal) {
            clear();
            if (!running.isEmpty()) {
                err.print(running.keySet().stream().collect(Collectors.joining(", ")) + "…");
            }
            err.flush();
        }
    }
}
