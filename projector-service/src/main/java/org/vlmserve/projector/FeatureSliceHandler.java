package org.vlmserve.projector;

import org.slf4j.MDC;
import org.vlmserve.messaging.JobContext;
import org.vlmserve.messaging.JobHandler;
import org.vlmserve.protocol.FeatureSlice;

/** The stage's place on the road: one slice in, one slice out. */
public final class FeatureSliceHandler implements JobHandler<FeatureSlice> {

    private final ProjectorStage stage;

    public FeatureSliceHandler(ProjectorStage stage) {
        this.stage = stage;
    }

    @Override
    public void handle(FeatureSlice slice, JobContext context) {
        try (MDC.MDCCloseable ignored =
                MDC.putCloseable("answer_id", slice.envelope().requestId())) {
            context.checkpoint();
            context.publish(stage.project(slice, context.waited()));
        }
    }
}
