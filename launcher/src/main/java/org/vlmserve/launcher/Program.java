package org.vlmserve.launcher;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The programs of the suite: each is a process of its own with a class path of its own. */
enum Program {
    BROKER("launcher/broker", "kafka.Kafka", "512m"),
    VISION_ENCODER("vision-encoder-service", "org.vlmserve.encoder.VisionEncoderApplication", "1g"),
    PROJECTOR("projector-service", "org.vlmserve.projector.ProjectorApplication", "512m"),
    DECODER("decoder-service", "org.vlmserve.decoder.DecoderApplication", "1g"),
    GATEWAY("gateway-service", "org.vlmserve.gateway.GatewayApplication", "512m"),
    IMPORTER("model-importer", "org.vlmserve.importer.ImportCommand", "1g");

    /** Those that keep running, in the order in which they are listed and started. */
    static final List<Program> SERVERS = List.of(BROKER, VISION_ENCODER, PROJECTOR, DECODER, GATEWAY);

    private final String module;
    private final String mainClass;
    private final String maxHeap;

    Program(String module, String mainClass, String maxHeap) {
        this.module = module;
        this.mainClass = mainClass;
        this.maxHeap = maxHeap;
    }

    /** The Maven module, from the repository's root, whose runtime class path the program runs on. */
    String module() {
        return module;
    }

    String mainClass() {
        return mainClass;
    }

    /** As for {@code -Xmx}. Tensors and weights live outside the heap. */
    String maxHeap() {
        return maxHeap;
    }

    /** As in logs, file names and commands: {@code vision-encoder}. */
    String wireName() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    boolean servesBundles() {
        return this == VISION_ENCODER || this == PROJECTOR || this == DECODER;
    }

    static Optional<Program> ofWireName(String name) {
        return Arrays.stream(values()).filter(p -> p.wireName().equals(name)).findFirst();
    }
}
