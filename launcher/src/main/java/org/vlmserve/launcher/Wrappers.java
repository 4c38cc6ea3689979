package org.vlmserve.launcher;

import java.util.List;
import java.util.stream.Stream;

/**
 * Commands that other commands are put behind. Both become the command that follows and keep the number of their process.
 *
 * @param session makes a process outlive the terminal: {@code setsid} gives it a session of its own, which neither Ctrl-C nor
 *     the end of the terminal reaches, {@code nohup} lets it ignore the latter; may be empty
 * @param priority leaves the processor to those who need it now: {@code nice}; may be empty
 */
record Wrappers(List<String> session, List<String> priority) {

    /** For what stays when the command ends. */
    List<String> detached() {
        return session;
    }

    /** For what stays and is in no hurry. */
    List<String> background() {
        return Stream.concat(session.stream(), priority.stream()).toList();
    }
}
