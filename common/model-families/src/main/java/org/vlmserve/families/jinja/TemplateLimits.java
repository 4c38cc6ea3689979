package org.vlmserve.families.jinja;

/**
 * What a template may use up, whoever wrote it. A template comes with a checkpoint, so it is no more to be trusted than the checkpoint.
 *
 * @param source characters of the template itself
 * @param nesting blocks and brackets that may stand inside each other
 * @param steps of one rendering: expressions and statements that are evaluated, items that are touched, and one for every 64 characters
 *     that are looked at
 * @param made characters and items that one rendering makes, whether it keeps them or not; those of its output count too
 * @param depth of evaluation: expressions within expressions, statements within statements, calls within calls, values within values
 */
public record TemplateLimits(int source, int nesting, long steps, long made, int depth) {

    /** Far above what any published template needs; {@code docs/reliability.md} has the figures. */
    public static final TemplateLimits DEFAULT = new TemplateLimits(1 << 18, 100, 10_000_000, 1 << 26, 500);
}
