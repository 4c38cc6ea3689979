package org.vlmserve.launcher;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Behaves like any program of the suite as far as the launcher can tell, and starts in a fraction of a second. Its first
 * argument says which program it is. A bundle that holds a file {@code corrupt} makes a stage fail as Spring does, one
 * that holds {@code slow} keeps it from ever being ready; the gateway answers with the names of the media types that it got
 * and the question. In a training run it ends like the program that it stands for, and notes in {@code trainings} when it
 * begins and ends.
 */
public final class FakeProgram {

    private FakeProgram() {}

    public static void main(String[] arguments) throws Exception {
        System.out.println("INFO starting " + arguments[0]);
        if (Training.runs()) {
            Training.begin(arguments[0]);
            if (!arguments[0].equals(Program.BROKER.wireName())) {
                return;
            }
        }
        switch (Program.ofWireName(arguments[0]).orElseThrow()) {
            case BROKER -> broker(Path.of(arguments[1]));
            case IMPORTER -> importCheckpoint(Path.of(arguments[1]), Path.of(arguments[2]));
            case GATEWAY -> gateway(options(arguments));
            case VISION_ENCODER, PROJECTOR, DECODER -> stage(options(arguments));
        }
    }

    /** A file {@code together} in the state directory holds how many trainings each of them waits for. */
    private static final class Training {

        private static final Path LOG = Path.of("trainings");
        private static final Path TOGETHER = Path.of("together");
        private static final Duration LIMIT = Duration.ofSeconds(60);

        static boolean runs() {
            return ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                    .anyMatch(option -> option.startsWith("-XX:AOTCacheOutput="));
        }

        static void begin(String program) throws IOException, InterruptedException {
            note("begin " + program);
            Runtime.getRuntime().addShutdownHook(new Thread(() -> {
                try {
                    note("end " + program);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }));
            int together = Files.exists(TOGETHER) ? Integer.parseInt(Files.readString(TOGETHER)) : 1;
            long deadline = System.nanoTime() + LIMIT.toNanos();
            while (Files.readAllLines(LOG).stream()
                            .filter(line -> line.startsWith("begin"))
                            .count()
                    < together) {
                if (System.nanoTime() - deadline > 0) {
                    System.out.println("ERROR too few trainings at once");
                    Runtime.getRuntime().halt(1);
                }
                Thread.sleep(20);
            }
        }

        private static void note(String line) throws IOException {
            Files.writeString(LOG, line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
    }

    private static Map<String, String> options(String[] arguments) {
        Map<String, String> options = new TreeMap<>();
        for (int i = 1; i < arguments.length; i++) {
            int equals = arguments[i].lastIndexOf('=');
            options.put(arguments[i].substring(2, equals), arguments[i].substring(equals + 1));
        }
        return options;
    }

    private static void broker(Path configuration) throws IOException {
        String listeners = Files.readAllLines(configuration).stream()
                .filter(line -> line.startsWith("advertised.listeners="))
                .findFirst()
                .orElseThrow();
        int port = Integer.parseInt(listeners.substring(listeners.lastIndexOf(':') + 1));
        try (ServerSocket socket = new ServerSocket(port, 50, InetAddress.getLoopbackAddress())) {
            while (true) {
                Socket connection = socket.accept();
                connection.close();
            }
        }
    }

    private static void importCheckpoint(Path checkpoint, Path bundle) throws IOException {
        if (Files.exists(checkpoint.resolve("corrupt"))) {
            System.out.println("ERROR o.v.importer - checkpoint_unreadable: model.safetensors is cut off");
            System.exit(1);
        }
        Files.createDirectories(bundle);
        Files.writeString(bundle.resolve("bundle.json"), "{}");
    }

    private static void stage(Map<String, String> options) throws IOException {
        for (Map.Entry<String, String> option : options.entrySet()) {
            if (option.getKey().startsWith("vlm.bundles[") && Files.exists(Path.of(option.getValue(), "corrupt"))) {
                System.out.println("2026-01-01T00:00:00Z ERROR o.s.boot.SpringApplication : Application run failed");
                System.out.println("java.lang.IllegalStateException: no context");
                System.out.println("Caused by: org.vlmserve.protocol.error.VlmException: bundle.json of "
                        + option.getValue() + " is empty; expected a manifest, hint: vlm import");
                System.exit(1);
            }
        }
        if (options.values().stream().noneMatch(value -> Files.exists(Path.of(value, "slow")))) {
            serve(Integer.parseInt(options.get("management.server.port")));
        } else {
            new ServerSocket(0).accept();
        }
    }

    private static void gateway(Map<String, String> options) throws IOException {
        serve(Integer.parseInt(options.get("management.server.port")));
        HttpServer server = serve(Integer.parseInt(options.get("server.port")));
        // The gateway knows the models from the stages; this one from the launcher's note.
        Path settings = Path.of("run", Settings.NAME + ".json");
        server.createContext("/v1/models", exchange -> {
            JsonNode bundles = Files.exists(settings)
                    ? JsonMapper.shared().readTree(settings.toFile()).path("bundles")
                    : JsonMapper.shared().createObjectNode();
            answer(
                    exchange,
                    200,
                    bundles.propertyNames().stream()
                            .map(name -> "{\"id\":\"" + name + "\"}")
                            .collect(Collectors.joining(",", "{\"data\":[", "]}")));
        });
        server.createContext("/v1/chat/completions", FakeProgram::complete);
    }

    private static void complete(HttpExchange exchange) throws IOException {
        JsonNode request = JsonMapper.shared().readTree(exchange.getRequestBody());
        StringBuilder heard = new StringBuilder(request.path("model").asString()).append(':');
        for (JsonNode part : request.at("/messages/0/content")) {
            String type = part.path("type").asString();
            String url = part.path(type).path("url").asString("");
            heard.append(' ').append(url.isEmpty() ? part.path("text").asString() : url.split("[;,]")[0]);
        }
        if (heard.toString().endsWith("fail")) {
            answer(exchange, 422, "{\"error\":{\"code\":\"prompt_too_long\",\"message\":\"9 tokens; expected 8\"}}");
        } else if (heard.toString().endsWith("break")) {
            answer(
                    exchange,
                    200,
                    "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n"
                            + "data: {\"error\":{\"code\":\"deadline_exceeded\",\"message\":\"too late\"}}\n\n");
        } else if (heard.toString().endsWith("vanish")) {
            answer(exchange, 200, "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n");
        } else {
            answer(
                    exchange,
                    200,
                    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"
                            + "data: {\"choices\":[{\"delta\":{\"content\":\"heard \"}}]}\n\n"
                            + "data: {\"choices\":[{\"delta\":{\"content\":\"" + heard + "\"}}]}\n\n"
                            + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                            + "data: {\"choices\":[],\"usage\":{\"completion_tokens\":7}}\n\ndata: [DONE]\n\n");
        }
    }

    private static HttpServer serve(int port) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        server.createContext("/actuator/health/readiness", exchange -> answer(exchange, 200, "{\"status\":\"UP\"}"));
        server.start();
        return server;
    }

    private static void answer(HttpExchange exchange, int status, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }
}
