package org.vlmserve.gateway;

import java.util.EnumSet;
import java.util.Optional;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.vlmserve.messaging.StatusBoard;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.Stage;

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
            Optional<ModelRef> texts = status.serving(model, EnumSet.of(Stage.DECODER));
            health.withDetail(
                    model,
                    status.serving(model)
                            .map(ModelRef::revision)
                            .or(() -> texts.map(revision -> revision.revision() + ", texts only"))
                            .orElse("no decoder is live"));
        }
        return health.build();
    }
}
