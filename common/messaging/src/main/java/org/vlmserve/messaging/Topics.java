package org.vlmserve.messaging;

import java.util.List;
import org.vlmserve.protocol.ModelRef;

/**
 * Names on the road. Work travels on topics of one model at one revision, so that a new revision drains in beside the old
 * one; liveness and cancellation are for all.
 */
public final class Topics {

    public static final String STATUS = "vlm.status";
    public static final String CONTROL = "vlm.control";

    private Topics() {}

    private static String of(ModelRef model, String name) {
        return "vlm." + model.model() + "." + model.revision() + "." + name;
    }

    /** Share group: pictures, and tiles of pictures, to encode. */
    public static String images(ModelRef model) {
        return of(model, "images");
    }

    /** Share group: pictures to lay out, without encoding them. */
    public static String plans(ModelRef model) {
        return of(model, "plans");
    }

    /** Share group: slices of the encoder's output to project. */
    public static String features(ModelRef model) {
        return of(model, "features");
    }

    /** Partition = route: layouts and projected slices. */
    public static String embeddings(ModelRef model) {
        return of(model, "embeddings");
    }

    /** Partition = route, consumer group of the decoders: conversations to answer. */
    public static String prompts(ModelRef model) {
        return of(model, "prompts");
    }

    /** Partition = route: the log of answers. */
    public static String tokens(ModelRef model) {
        return of(model, "tokens");
    }

    public static List<String> all(ModelRef model) {
        return List.of(images(model), plans(model), features(model), embeddings(model), prompts(model), tokens(model));
    }

    /** Where records of {@code topic} that could not be processed are kept. */
    public static String dead(String topic) {
        return topic + ".dead";
    }

    /** The share group that works a queue off: one for each queue, named after it. */
    public static String queueGroup(String queue) {
        return queue + ".workers";
    }

    /** The consumer group among which the routes of a model are divided. */
    public static String decoderGroup(ModelRef model) {
        return of(model, "decoders");
    }

    /** The last part of a topic's name, for metrics: {@code images}, {@code tokens}, {@code dead}, {@code status}... */
    static String kind(String topic) {
        return topic.substring(topic.lastIndexOf('.') + 1);
    }
}
