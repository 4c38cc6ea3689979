package org.vlmserve.gateway;

import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.vlmserve.messaging.StatusBoard;
import org.vlmserve.protocol.ModelRef;

/**
 * Shows an operator which models can be asked. Never down by itself: a gateway without live stages still answers, with 503
 * and the name of the stage that is missing, which is better than no gateway.
 */
final class ModelsHealth implements HealthIndicator {

    private final StatusBoard status;

    ModelsHealth(StatusBoard status) {
        this.status = status;
    }

    @Override
    public Health health() {
        Health.Builder health = Health.up();
        for (String model : status.models()) {
            health.withDetail(
                    model, status.serving(model).map(ModelRef::revision).orElse("not all stages are live"));
        }
        return health.build();
    }
}
