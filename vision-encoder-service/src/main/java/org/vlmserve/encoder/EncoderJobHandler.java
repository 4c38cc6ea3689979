package org.vlmserve.encoder;

import java.util.function.BooleanSupplier;
import org.slf4j.MDC;
import org.vlmserve.families.preprocess.Tile;
import org.vlmserve.messaging.JobContext;
import org.vlmserve.messaging.JobHandler;
import org.vlmserve.protocol.EncoderJob;
import org.vlmserve.protocol.FeatureSlice;
import org.vlmserve.protocol.ImageJob;
import org.vlmserve.protocol.LayoutReady;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.ProtocolLimits;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.TileJob;
import org.vlmserve.protocol.tensor.Tensor;

/** The stage's place on the road: publishes {@link LayoutReady}, {@link FeatureSlice}s and {@link TileJob}s. */
public final class EncoderJobHandler implements JobHandler<EncoderJob> {

    private final VisionEncoderStage stage;
    private final BooleanSupplier others;

    /** @param others whether anyone else could encode a tile that is put back */
    public EncoderJobHandler(VisionEncoderStage stage, BooleanSupplier others) {
        this.stage = stage;
        this.others = others;
    }

    @Override
    public void handle(EncoderJob job, JobContext context) {
        try (MDC.MDCCloseable ignored =
                MDC.putCloseable("answer_id", job.envelope().requestId())) {
            EncoderOutput output = new Output(job, context);
            switch (job) {
                case ImageJob image -> stage.encode(image, context.waited(), output);
                case TileJob tile -> stage.encode(tile, context.waited(), output);
            }
        }
    }

    private final class Output implements EncoderOutput {

        private final EncoderJob job;
        private final JobContext context;

        Output(EncoderJob job, JobContext context) {
            this.job = job;
            this.context = context;
        }

        @Override
        public void checkpoint() {
            context.checkpoint();
        }

        @Override
        public void layout(PictureLayout layout) {
            context.publish(new LayoutReady(job.envelope(), job.picture(), layout));
        }

        @Override
        public boolean putBack(PictureLayout layout, int index, int firstRow, int rows, Tile tile) {
            if (!others.getAsBoolean() || tile.byteSize() > ProtocolLimits.MAX_PICTURE_BYTES) {
                return false;
            }
            context.publish(new TileJob(
                    job.envelope(),
                    job.picture(),
                    index,
                    firstRow,
                    rows,
                    layout.featureRows(),
                    layout.grids().get(index),
                    tile.pixels()));
            return true;
        }

        @Override
        public void features(int firstRow, int totalRows, Tensor rows, StageTimes times) {
            context.publish(new FeatureSlice(job.envelope(), job.picture(), firstRow, totalRows, rows, times));
        }
    }
}
