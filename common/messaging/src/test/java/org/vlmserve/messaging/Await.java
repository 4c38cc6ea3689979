package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.Stage;

/** Waits for a condition, looking often. */
final class Await {

    private Await() {}

    static void until(String what, Duration atMost, BooleanSupplier condition) throws InterruptedException {
        long until = System.nanoTime() + atMost.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("%s within %s", what, atMost).isLessThan(until);
            Thread.sleep(20);
        }
    }

    /** Until a gateway at this road can send requests for a model. */
    static void serving(Road road, String model) throws InterruptedException {
        until(
                model + " is served",
                Duration.ofMinutes(2),
                () -> road.status().serving(model).isPresent()
                        && routes(road, model) == TestBroker.config().routes());
    }

    static int routes(Road road, String model) {
        return road.status().live().stream()
                .filter(status -> status.stage() == Stage.DECODER)
                .flatMap(status -> status.models().stream())
                .filter(served -> served.model().model().equals(model))
                .map(InstanceStatus.ServedModel::routes)
                .mapToInt(java.util.List::size)
                .sum();
    }
}
