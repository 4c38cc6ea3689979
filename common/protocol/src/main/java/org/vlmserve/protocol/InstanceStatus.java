package org.vlmserve.protocol;

import java.time.Instant;
import java.util.List;

/**
 * Topic {@code vlm.status}: each instance, every second. An instance silent for five seconds is gone.
 *
 * @param instance unique among all that ever ran
 * @param ready whether it is warmed up and takes work; false also while it drains
 * @param models what it serves
 */
public record InstanceStatus(String instance, Stage stage, boolean ready, Instant at, List<ServedModel> models)
        implements WireMessage {

    public InstanceStatus {
        models = List.copyOf(models);
    }

    /**
     * @param routes partitions that a decoder owns; empty for the other stages
     * @param waiting jobs held and not begun
     * @param running jobs begun and not finished
     * @param capacity jobs that may run at once
     * @param contextLength tokens a decoder can hold for one request; 0 for the other stages
     * @param importedAt when the bundle was made: the newest live revision takes new work
     */
    public record ServedModel(
            ModelRef model,
            List<Integer> routes,
            int waiting,
            int running,
            int capacity,
            int contextLength,
            Instant importedAt) {
        public ServedModel {
            routes = List.copyOf(routes);
        }

        /** Whether new work should go elsewhere: twice as many jobs wait as may run at once. */
        public boolean full() {
            return waiting >= 2 * Math.max(1, capacity);
        }
    }
}
