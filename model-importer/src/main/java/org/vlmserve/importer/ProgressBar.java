package org.vlmserve.importer;

import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;

/**
 * An import's progress as text: one line that is drawn anew on a terminal, and otherwise a plain line at the start and every few
 * seconds.
 */
final class ProgressBar implements ProgressListener {

    private static final int WIDTH = 30;
    private static final Duration REDRAW = Duration.ofMillis(100);
    private static final Duration PLAIN = Duration.ofSeconds(5);
    private static final double MIB = 1 << 20;

    private final PrintStream out;
    private final boolean terminal;
    private long total;
    private long done;
    private int steps;
    private int stepsDone;
    private long startedAt;
    private long drawnAt;

    ProgressBar(PrintStream out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    @Override
    public synchronized void judging() {
        out.println("choosing formats");
    }

    @Override
    public synchronized void started(long totalBytes) {
        total = totalBytes;
        startedAt = System.nanoTime();
        drawnAt = startedAt;
        if (!terminal) {
            out.printf(Locale.ROOT, "writing %.0f MiB%n", total / MIB);
        }
    }

    @Override
    public synchronized void written(long bytes) {
        done += bytes;
        long now = System.nanoTime();
        if (now - drawnAt >= (terminal ? REDRAW : PLAIN).toNanos()) {
            drawnAt = now;
            draw(now);
        }
    }

    @Override
    public synchronized void finishing() {
        done = Math.max(done, total);
        draw(System.nanoTime());
        out.println(terminal ? "" : "computing the revision");
    }

    @Override
    public synchronized void checking(int count) {
        steps = count;
        drawnAt = System.nanoTime();
        if (!terminal) {
            out.println("checking the bundle");
        }
    }

    @Override
    public synchronized void checked() {
        stepsDone++;
        long now = System.nanoTime();
        boolean last = stepsDone == steps;
        if (now - drawnAt < (terminal ? REDRAW : PLAIN).toNanos() && !(terminal && last)) {
            return;
        }
        drawnAt = now;
        String figures = String.format(
                Locale.ROOT, "%3d %%  %d of %d checks", 100L * stepsDone / Math.max(1, steps), stepsDone, steps);
        line((double) stepsDone / Math.max(1, steps), figures);
        if (terminal && last) {
            out.println();
        }
    }

    private void draw(long now) {
        double seconds = Math.max(1e-3, (now - startedAt) / 1e9);
        double rate = done / seconds;
        long left = Math.round((total - done) / Math.max(1, rate));
        double share = total == 0 ? 1 : Math.min(1, (double) done / total);
        String figures = String.format(
                Locale.ROOT,
                "%3.0f %%  %.0f of %.0f MiB  %.0f MiB/s  %d:%02d left",
                share * 100,
                done / MIB,
                total / MIB,
                rate / MIB,
                left / 60,
                left % 60);
        line(share, figures);
    }

    private void line(double share, String figures) {
        if (terminal) {
            int filled = (int) Math.round(share * WIDTH);
            out.print("\r[" + "#".repeat(filled) + ".".repeat(WIDTH - filled) + "] " + figures + "      ");
            out.flush();
        } else {
            out.println(figures);
        }
    }
}
