package org.vlmserve.encoder;

import org.slf4j.MDC;
import org.vlmserve.messaging.JobContext;
import org.vlmserve.messaging.JobHandler;
import org.vlmserve.protocol.FeatureSlice;
import org.vlmserve.protocol.ImageJob;
import org.vlmserve.protocol.LayoutReady;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.tensor.Tensor;

/** The stage's place on the road: publishes {@link LayoutReady} and {@link FeatureSlice}s. */
public final class ImageJobHandler implements JobHandler<ImageJob> {

    private final VisionEncoderStage stage;

    public ImageJobHandler(VisionEncoderStage stage) {
        this.stage = stage;
    }

    @Override
    public void handle(ImageJob job, JobContext context) {
        try (MDC.MDCCloseable ignored =
                MDC.putCloseable("answer_id", job.envelope().requestId())) {
            stage.encode(job, context.waited(), new EncoderOutput() {
                @Override
                public void checkpoint() {
                    context.checkpoint();
                }

                @Override
                public void layout(PictureLayout layout) {
                    context.publish(new LayoutReady(job.envelope(), job.picture(), layout));
                }

                @Override
                public void features(int firstRow, int totalRows, Tensor rows, StageTimes times) {
                    context.publish(new FeatureSlice(job.envelope(), job.picture(), firstRow, totalRows, rows, times));
                }
            });
        }
    }
}
