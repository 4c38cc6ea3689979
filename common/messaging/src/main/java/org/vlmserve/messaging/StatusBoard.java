package org.vlmserve.messaging;

import java.util.Collection;
import java.util.Optional;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.ModelRef;

/** Who is alive and what they serve, from the {@code vlm.status} topic. Thread-safe. */
public interface StatusBoard {

    /** Instances heard of within the silence limit, ready or not. */
    Collection<InstanceStatus> live();

    /** The newest revision of this model all of whose stages have a live, ready instance. */
    Optional<ModelRef> serving(String model);

    /** Names of models with any live instance of any stage. */
    Collection<String> models();
}
