package org.vlmserve.system;

import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.vlmserve.decoder.DecoderConfig;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.importer.Precision;
import org.vlmserve.messaging.AskRequest.PictureInput;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.system.RoadTrace.Asked;
import tools.jackson.databind.node.ObjectNode;

/**
 * What the road costs: the time to the first token of a question about one small picture through REST, Kafka and four
 * processes, against the same stage classes joined in this process; in turns, in one run, as medians. The picture is another
 * each time, so that no one has it already. Each graph computes with one thread on both sides, and the processes run as
 * {@code bin/vlm} runs them. Run by {@code benchmarks/road-cost}.
 *
 * <p>Six programs share the machine, and each compiles itself while it works: on two cores it takes more than a thousand questions
 * until that is done, which the medians that are shown on the way tell. The first ones after a start are reported apart.
 */
final class RoadCost {

    private static final String QUESTION = "What does it say?";
    private static final int WARM_UP = 1500;
    private static final int FIRST = 20;
    private static final Sampling ONE_TOKEN =
            new Sampling(1, null, 0.0, null, null, null, null, null, null, null, List.of(), null, Map.of(), false);

    private RoadCost() {}

    /** @param args how many questions to measure each way */
    public static void main(String[] args) throws Exception {
        // The broker's formatter prints, too; standard output is for the result.
        PrintStream out = System.out;
        System.setOut(System.err);
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : 100;
        // The smallest model there is: the less it computes, the better the road is seen.
        Path checkpoint = Bundles.ROOT.resolve("models/line-reader-3m");
        String model = checkpoint.getFileName().toString();
        Bundle bundle = Bundles.imported(checkpoint, Precision.INT8);
        byte[] picture = Files.readAllBytes(checkpoint.resolve("examples/price.png"));
        double[] split = new double[WARM_UP + rounds];
        double[] whole = new double[WARM_UP + rounds];
        List<Asked> asked = new ArrayList<>();
        try (SuiteUnderTest suite = SuiteUnderTest.start(
                        Map.of(model, bundle), List.of(), List.of("vlm.engine.threads=1"), List.of());
                Whole joined = new Whole(bundle, DecoderConfig.DEFAULTS, EngineOptions.ofThreads(1))) {
            ChatClient client = suite.client();
            for (int i = 0; i < WARM_UP + rounds; i++) {
                if (i > 0 && i % 100 == 0) {
                    System.err.printf(
                            Locale.ROOT,
                            "%d of %d, %d of them to warm up; medians of the last 100: split %.1f ms, whole %.1f ms%n",
                            i,
                            WARM_UP + rounds,
                            WARM_UP,
                            quantile(Arrays.copyOf(split, i), i - 100, 0.5),
                            quantile(Arrays.copyOf(whole, i), i - 100, 0.5));
                }
                byte[] fresh = withTrailer(picture, i);
                Asked overRoad = askSuite(client, model, fresh);
                asked.add(overRoad);
                split[i] = Duration.between(overRoad.begin(), overRoad.end()).toNanos() / 1e6;
                whole[i] = millis(() -> askWhole(joined, fresh));
            }
        }
        ModelRef served = new ModelRef(model, bundle.manifest().revision());
        new RoadTrace(served).lines(asked.subList(WARM_UP, asked.size())).forEach(out::println);
        out.printf(
                Locale.ROOT,
                "time to first token, median (p90) of %d: split %.1f (%.1f) ms, whole %.1f (%.1f) ms,"
                        + " the road costs %.1f ms; the first %d after the start: split %.1f ms, whole %.1f ms%n",
                rounds,
                quantile(split, WARM_UP, 0.5),
                quantile(split, WARM_UP, 0.9),
                quantile(whole, WARM_UP, 0.5),
                quantile(whole, WARM_UP, 0.9),
                quantile(split, WARM_UP, 0.5) - quantile(whole, WARM_UP, 0.5),
                FIRST,
                quantile(Arrays.copyOf(split, FIRST), 0, 0.5),
                quantile(Arrays.copyOf(whole, FIRST), 0, 0.5));
        System.exit(0);
    }

    /** The same picture to every decoder, and another to every cache: bytes after a PNG's end are ignored. */
    private static byte[] withTrailer(byte[] picture, int round) {
        byte[] fresh = Arrays.copyOf(picture, picture.length + 4);
        fresh[picture.length] = (byte) round;
        fresh[picture.length + 1] = (byte) (round >> 8);
        fresh[picture.length + 2] = (byte) (round >> 16);
        fresh[picture.length + 3] = (byte) (round >> 24);
        return fresh;
    }

    private static Asked askSuite(ChatClient client, String model, byte[] picture) {
        ObjectNode request = ChatClient.request(model, QUESTION);
        request.put("max_completion_tokens", 1);
        request.withArray("messages")
                .get(0)
                .withArray("content")
                .insertObject(0)
                .put("type", "image_url")
                .putObject("image_url")
                .put("url", ChatClient.dataUrl(picture));
        Instant begin = Instant.now();
        ChatClient.Reply reply = client.ask(request);
        Instant end = Instant.now();
        if (reply.status() != 200) {
            throw new IllegalStateException(reply.body().toString());
        }
        return new Asked(reply.body().path("id").asString(), begin, end);
    }

    private static void askWhole(Whole whole, byte[] picture) {
        ChatTurn turn = new ChatTurn("user", List.of(new ChatTurn.Picture(0), new ChatTurn.Text(QUESTION)), false);
        List<AnswerEvent> events = whole.answer(
                List.of(turn), List.of(new PictureInput(PictureFiles.still(picture), PixelLimits.NONE)), ONE_TOKEN);
        if (!(events.getLast() instanceof AnswerEvent.Finished)) {
            throw new IllegalStateException(events.toString());
        }
    }

    private static double millis(Runnable work) {
        long begin = System.nanoTime();
        work.run();
        return (System.nanoTime() - begin) / 1e6;
    }

    private static double quantile(double[] values, int from, double q) {
        double[] sorted = Arrays.copyOfRange(values, from, values.length);
        Arrays.sort(sorted);
        return sorted[(int) (q * (sorted.length - 1))];
    }
}
