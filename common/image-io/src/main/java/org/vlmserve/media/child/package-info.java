/**
 * Work on untrusted files in processes of their own, so that what a file does to its decoder happens to nobody else.
 * {@link org.vlmserve.media.child.ChildPool} gives jobs out; {@link org.vlmserve.media.child.ChildMain} is the process; a
 * {@link org.vlmserve.media.child.ChildJob} is a kind of work. Nothing here knows what the files are. Verified by
 * {@code ChildPoolTest}.
 *
 * <h2>What goes through the pipes</h2>
 *
 * <p>Numbers are big-endian. The parent writes jobs to the child's standard input, one at a time: the name of the kind's class
 * (as {@link java.io.DataOutput#writeUTF} writes it), parameters and file, each behind its length of 4 bytes. The end of the
 * input ends the child, so that none outlives its parent.
 *
 * <p>The child writes messages to its standard output, each begun by one byte: {@code H}, it is ready for jobs; {@code A}, it
 * has the whole job, and what happens from here on is the job's doing; {@code P}, it works; {@code D}, part of the result
 * behind its length of 4 bytes; {@code F}, the job failed: number of the {@link org.vlmserve.protocol.error.ErrorCode}, length
 * and message in UTF-8; {@code E}, the job is done.
 */
@NullMarked
package org.vlmserve.media.child;

import org.jspecify.annotations.NullMarked;
