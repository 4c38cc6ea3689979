package org.vlmserve.media.child;

import java.io.DataInput;
import java.io.IOException;

/**
 * A kind of work that is done in a child process. Its class is what the kind is called by; it is public and has a public
 * constructor without arguments. An instance does one job.
 */
@FunctionalInterface
public interface ChildJob {

    /**
     * @param parameters as the caller of {@link ChildPool#run} wrote them
     * @param result read by that caller while it is written
     * @throws org.vlmserve.protocol.error.VlmException reaches the caller as it is
     */
    void run(DataInput parameters, byte[] file, ChildOutput result) throws IOException;
}
