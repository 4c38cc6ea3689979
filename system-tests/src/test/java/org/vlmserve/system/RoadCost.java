package org.vlmserve.system;

import java.nio.file.Files;
import java.nio.file.Path;
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
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Sampling;
import tools.jackson.databind.node.ObjectNode;

/**
 * What the road costs: the time to the first token of a question about one picture through REST, Kafka and four processes,
 * against the same stage classes joined in this process; in turns, in one run, as medians. The picture is another each time,
 * so that no one has it already. Run by {@code benchmarks/road-cost}.
 */
final class RoadCost {

    private static final String QUESTION = "What does it say?";
    private static final int WARM_UP = 20;
    private static final Sampling ONE_TOKEN =
            new Sampling(1, null, 0.0, null, null, null, null, null, null, null, List.of(), null, Map.of(), false);

    private RoadCost() {}

    /** @param args how many questions to measure each way */
    public static void main(String[] args) throws Exception {
        int rounds = args.length > 0 ? Integer.parseInt(args[0]) : 100;
        Path checkpoint = Bundles.shippedCheckpoint();
        String model = checkpoint.getFileName().toString();
        Bundle bundle = Bundles.imported(checkpoint, Precision.INT8);
        byte[] picture = Files.readAllBytes(Bundles.ROOT.resolve("examples/price.png"));
        double[] split = new double[rounds];
        double[] whole = new double[rounds];
        try (SuiteUnderTest suite = SuiteUnderTest.start(Map.of(model, bundle));
                Whole joined = new Whole(bundle, DecoderConfig.DEFAULTS, EngineOptions.ofThreads(1))) {
            for (int i = -WARM_UP; i < rounds; i++) {
                byte[] fresh = withTrailer(picture, i);
                double overRoad = millis(() -> askSuite(suite, model, fresh));
                double inProcess = millis(() -> askWhole(joined, fresh));
                if (i >= 0) {
                    split[i] = overRoad;
                    whole[i] = inProcess;
                }
                if (i % 20 == 0) {
                    System.err.printf("%d of %d%n", Math.max(i, 0), rounds);
                }
            }
        }
        System.out.printf(
                Locale.ROOT,
                "time to first token, median of %d: split %.1f ms, whole %.1f ms, the road costs %.1f ms (p90 %.1f ms)%n",
                rounds,
                quantile(split, 0.5),
                quantile(whole, 0.5),
                quantile(split, 0.5) - quantile(whole, 0.5),
                quantile(split, 0.9) - quantile(whole, 0.9));
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

    private static void askSuite(SuiteUnderTest suite, String model, byte[] picture) {
        ObjectNode request = ChatClient.request(model, QUESTION);
        request.put("max_completion_tokens", 1);
        request.withArray("messages")
                .get(0)
                .withArray("content")
                .insertObject(0)
                .put("type", "image_url")
                .putObject("image_url")
                .put("url", ChatClient.dataUrl(picture));
        ChatClient.Reply reply = suite.client().ask(request);
        if (reply.status() != 200) {
            throw new IllegalStateException(reply.body().toString());
        }
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

    private static double quantile(double[] values, double q) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[(int) (q * (sorted.length - 1))];
    }
}
