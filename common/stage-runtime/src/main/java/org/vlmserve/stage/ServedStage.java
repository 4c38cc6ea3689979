package org.vlmserve.stage;

import java.time.Duration;
import org.vlmserve.messaging.Road;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.ModelRef;

/** One stage of one bundle, loaded. */
public interface ServedStage extends AutoCloseable {

    ModelRef model();

    /** Runs each graph once, so that the first request does not pay for first touches. */
    void warmUp();

    /** Begins to take work from the road. */
    Work open(Road road);

    /** False after a defect that only another process heals. */
    boolean healthy();

    /** Frees the graphs; work was closed before. */
    @Override
    void close();

    /** Work that is being taken. */
    interface Work {

        InstanceStatus.ServedModel status();

        /** Takes no more, gives what is begun so long to end, and hands the rest back. */
        void close(Duration grace);
    }
}
