package org.vlmserve.gateway;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.vlmserve.messaging.AnswerListener;
import org.vlmserve.messaging.AskRequest;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.AnswerEvent.FinishReason;
import org.vlmserve.protocol.AnswerEvent.TokenLogprob;
import org.vlmserve.protocol.ProtocolLimits;

/**
 * A gateway in a process of its own, with a road that holds what the one over Kafka may hold and never answers pictures. Prints its port; ends with its input.
 * {@link GatewayMemoryTest} starts it.
 */
final class BoundedGateway {

    /** Producer, three consumers, and a picture that is sent again, each at its largest. */
    static final long ROAD_BYTES =
            3L * (ProtocolLimits.MAX_RECORD_BYTES + (16 << 10)) + 3 * (16L << 20) + ProtocolLimits.MAX_PICTURE_BYTES;

    private static final int ALTERNATIVES = 20;

    private BoundedGateway() {}

    public static void main(String[] args) throws IOException {
        List<byte[]> road = IntStream.range(0, (int) (ROAD_BYTES >> 20))
                .mapToObj(i -> new byte[1 << 20])
                .toList();
        Map<String, AskRequest> held = new ConcurrentHashMap<>();
        FakeRoad fake = new FakeRoad();
        Thread.ofVirtual().start(() -> {
            while (true) {
                fake.cancelled().forEach(held::remove);
                pause(20);
            }
        });
        fake.onSubmit((request, listener) -> {
            fake.asked().clear();
            if (!request.pictures().isEmpty()) {
                held.put(request.requestId(), request);
                List<byte[]> records = new ArrayList<>();
                request.pictures()
                        .forEach(picture -> picture.content().files().forEach(file -> records.add(file.clone())));
                pause(200);
                if (records.isEmpty()) {
                    throw new AssertionError("pictures have files");
                }
            } else if (request.sampling().topLogprobs() != null) {
                Thread.ofVirtual().start(() -> flood(fake, request, listener));
            } else {
                listener.onEvent(FakeRoad.finished(request, FinishReason.STOP, "Hello", 1));
            }
        });
        try (TestGateway gateway = new TestGateway(fake, args)) {
            System.out.println(
                    "port " + gateway.port() + " management " + gateway.managementPort() + " road " + road.size());
            while (System.in.read() >= 0) {
                // Whoever started this process ends it by closing its input.
            }
        }
        System.exit(0);
    }

    /** More tokens than any buffer may hold, each with all alternatives. */
    private static void flood(FakeRoad road, AskRequest request, AnswerListener listener) {
        for (int i = 0; i < 20_000 && !road.cancelled().contains(request.requestId()); i++) {
            List<TokenLogprob> top = IntStream.range(0, ALTERNATIVES)
                    .mapToObj(id -> new TokenLogprob(id, new byte[8], -1.0))
                    .toList();
            listener.onEvent(new AnswerEvent.Token(
                    request.requestId(), 1, "decoder-1", i, i, "word ", new TokenLogprob(i, new byte[8], -0.5), top));
        }
    }

    private static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
