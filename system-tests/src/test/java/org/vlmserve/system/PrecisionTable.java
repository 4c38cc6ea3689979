package org.vlmserve.system;

import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.vlmserve.decoder.DecoderConfig;
import org.vlmserve.decoder.TokenModel;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.prompt.ControlTokens;
import org.vlmserve.families.prompt.Tokenizer;
import org.vlmserve.importer.ImportOptions;
import org.vlmserve.importer.Importer;
import org.vlmserve.importer.Precision;
import org.vlmserve.importer.ProgressListener;
import org.vlmserve.messaging.AskRequest.PictureInput;
import org.vlmserve.onnx.EngineOptions;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.Sampling;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * What int8 and int4 cost in exactness: the three bundles of a checkpoint answer the same questions about the same pictures, each
 * forced along the right answer, and their distributions of the next token are compared at each of its positions, its end included.
 * Run by {@code benchmarks/precision}.
 */
final class PrecisionTable {

    private static final String FORMAT = "format.";
    private static final String ERROR = "rowwise_error.";

    private PrecisionTable() {}

    /** @param args a checkpoint, and a folder of questions as training/evaluate.py --write makes it */
    public static void main(String[] args) throws IOException {
        Path checkpoint = Path.of(args[0]);
        List<JsonNode> questions = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(args[1], "questions.jsonl"))) {
            questions.add(JsonMapper.shared().readTree(line));
        }
        Path directory = Files.createTempDirectory("precision");
        List<float[]> reference = List.of();
        System.out.printf("%s, %d pictures%n", checkpoint.getFileName(), questions.size());
        for (Precision precision : Precision.values()) {
            System.err.println("importing and asking " + precision.wireName());
            Bundle bundle = new Importer()
                    .run(
                            checkpoint,
                            directory.resolve(precision.wireName()),
                            ImportOptions.of(precision),
                            false,
                            ProgressListener.SILENT)
                    .bundle();
            List<float[]> seen = distributions(bundle, questions, Path.of(args[1]));
            if (precision == Precision.FP32) {
                reference = seen;
            } else {
                compare(precision, reference, seen);
                formats(bundle);
            }
        }
        System.exit(0);
    }

    /** Log-probabilities [V] at each position of each answer. */
    private static List<float[]> distributions(Bundle bundle, List<JsonNode> questions, Path folder)
            throws IOException {
        Tokenizer tokenizer = FamilyRegistry.load()
                .familyOf(bundle)
                .promptBuilder(bundle, ControlTokens.TOKENS)
                .tokenizer();
        int end = bundle.manifest().generation().eosTokenIds().getFirst();
        ForcedModel[] forced = new ForcedModel[1];
        List<float[]> seen = new ArrayList<>();
        DecoderConfig config = new DecoderConfig(1, 0, 512, 1024);
        try (Whole whole = new Whole(bundle, config, EngineOptions.ofThreads(1), model -> {
            forced[0] = new ForcedModel(model, seen);
            return forced[0];
        })) {
            for (JsonNode question : questions) {
                int[] answer = tokenizer.encode(question.path("answer").asString());
                int[] tokens = Arrays.copyOf(answer, answer.length + 1);
                tokens[answer.length] = end;
                forced[0].force(tokens);
                byte[] picture = Files.readAllBytes(
                        folder.resolve(question.path("picture").asString()));
                ChatTurn turn = new ChatTurn(
                        "user",
                        List.of(
                                new ChatTurn.Picture(0),
                                new ChatTurn.Text(question.path("question").asString())),
                        false);
                Sampling greedy = new Sampling(
                        tokens.length + 1,
                        null,
                        0.0,
                        null,
                        null,
                        null,
                        null,
                        null,
                        null,
                        null,
                        List.of(),
                        null,
                        Map.of(),
                        false);
                List<AnswerEvent> events = whole.answer(
                        List.of(turn),
                        List.of(new PictureInput(PictureFiles.still(picture), PixelLimits.NONE)),
                        greedy);
                if (!(events.getLast() instanceof AnswerEvent.Finished)) {
                    throw new IllegalStateException(events.toString());
                }
            }
        }
        return seen;
    }

    private static void compare(Precision precision, List<float[]> reference, List<float[]> seen) {
        int positions = reference.size();
        if (seen.size() != positions) {
            throw new IllegalStateException(seen.size() + " positions, expected " + positions);
        }
        double[] divergence = new double[positions];
        int same = 0;
        for (int i = 0; i < positions; i++) {
            float[] p = reference.get(i);
            float[] q = seen.get(i);
            for (int token = 0; token < p.length; token++) {
                divergence[i] += Math.exp(p[token]) * (p[token] - q[token]);
            }
            same += best(p) == best(q) ? 1 : 0;
        }
        Arrays.sort(divergence);
        System.out.printf(
                Locale.ROOT,
                "%s: %d positions, the same choice at %.2f %%, KL divergence mean %.5f, p99 %.5f, largest %.4f%n",
                precision.wireName(),
                positions,
                100.0 * same / positions,
                Arrays.stream(divergence).average().orElse(0),
                divergence[(int) (0.99 * (positions - 1))],
                divergence[positions - 1]);
    }

    /** The formats of the linear layers, how many of each, and which layers the rule for outliers moved. */
    private static void formats(Bundle bundle) throws IOException {
        for (Path graph : List.of(bundle.encoderGraph(), bundle.projectorGraph(), bundle.decoderGraph())) {
            Map<String, Integer> counts = new TreeMap<>();
            Map<String, String> errors = new TreeMap<>();
            List<String> moved = new ArrayList<>();
            List<StringStringEntryProto> properties =
                    ModelProto.parseFrom(Files.readAllBytes(graph)).getMetadataPropsList();
            for (StringStringEntryProto property : properties) {
                if (property.getKey().startsWith(ERROR)) {
                    errors.put(property.getKey().substring(ERROR.length()), property.getValue());
                }
            }
            for (StringStringEntryProto property : properties) {
                if (property.getKey().startsWith(FORMAT)) {
                    counts.merge(property.getValue(), 1, Integer::sum);
                    String layer = property.getKey().substring(FORMAT.length());
                    if (errors.containsKey(layer) && !property.getValue().equals("ROWWISE_INT8")) {
                        moved.add(layer + " (" + errors.get(layer) + ")");
                    }
                }
            }
            System.out.printf(
                    Locale.ROOT,
                    "  %s: %s; expected row-wise errors %s to %s; finer by the rule: %s%n",
                    bundle.directory().relativize(graph),
                    counts,
                    errors.values().stream().min(String::compareTo).orElse("-"),
                    errors.values().stream().max(String::compareTo).orElse("-"),
                    moved.isEmpty() ? "none" : String.join(", ", moved));
        }
    }

    private static int best(float[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }

    /** A model whose next token is given beforehand; what it would have said is kept. */
    private static final class ForcedModel implements TokenModel {

        private final TokenModel model;
        private final List<float[]> seen;
        private int[] tokens = {};
        private int next;

        ForcedModel(TokenModel model, List<float[]> seen) {
            this.model = model;
            this.seen = seen;
        }

        synchronized void force(int[] tokens) {
            this.tokens = tokens;
            this.next = 0;
        }

        private synchronized void take(float[] logits) {
            double largest = logits[best(logits)];
            double sum = 0;
            for (float logit : logits) {
                sum += Math.exp(logit - largest);
            }
            float[] logprobs = new float[logits.length];
            for (int i = 0; i < logits.length; i++) {
                logprobs[i] = (float) (logits[i] - largest - Math.log(sum));
            }
            seen.add(logprobs);
            Arrays.fill(logits, 0);
            logits[tokens[next++]] = 1;
        }

        @Override
        public int slots() {
            return model.slots();
        }

        @Override
        public int contextLength() {
            return model.contextLength();
        }

        @Override
        public int vocabulary() {
            return model.vocabulary();
        }

        @Override
        public int hidden() {
            return model.hidden();
        }

        @Override
        public int positionChannels() {
            return model.positionChannels();
        }

        @Override
        public void embed(int tokenId, float[] target, int offset) {
            model.embed(tokenId, target, offset);
        }

        @Override
        public void prefill(
                int slot, int past, float[] embeddings, int length, long[][] positions, float @Nullable [] logits) {
            model.prefill(slot, past, embeddings, length, positions, logits);
            if (logits != null) {
                take(logits);
            }
        }

        @Override
        public void decode(
                int firstSlot, int count, float[] embeddings, long[][] positions, int[] totals, float[][] logits) {
            model.decode(firstSlot, count, embeddings, positions, totals, logits);
            take(logits[0]);
        }

        @Override
        public void copySlot(int from, int to, int length) {
            model.copySlot(from, to, length);
        }

        @Override
        public void close() {
            model.close();
        }
    }
}
