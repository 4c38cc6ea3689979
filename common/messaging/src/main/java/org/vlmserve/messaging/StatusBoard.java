package org.vlmserve.messaging;

import java.util.Collection;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.Stage;

/** Who is alive and what they serve, from the {@code vlm.status} topic. Thread-safe. */
public interface StatusBoard {

    /** Instances heard of within the silence limit, ready or not. */
    Collection<InstanceStatus> live();

    /** The newest revision of this model each of whose stages named here has a live instance that takes work. */
    Optional<ModelRef> serving(String model, Set<Stage> stages);

    /** The newest revision of this model that can be asked about pictures: all of its stages take work. */
    default Optional<ModelRef> serving(String model) {
        return serving(model, EnumSet.allOf(Stage.class));
    }

    /** Whether an instance of any stage has been heard of that served this model, since a minute before this board. */
    boolean known(String model);

    /** How many jobs one stage of a revision may work on at once, all instances that take work together. */
    default int capacity(Stage stage, ModelRef model) {
        return live().stream()
                .filter(status -> status.ready() && status.stage() == stage)
                .flatMap(status -> status.models().stream())
                .filter(served -> served.model().equals(model))
                .mapToInt(InstanceStatus.ServedModel::capacity)
                .sum();
    }

    /** Names of models with any live instance of any stage. */
    Collection<String> models();
}
