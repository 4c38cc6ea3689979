package org.vlmserve.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The instructions of the image's {@code Dockerfile}, in order. */
record Dockerfile(List<Instruction> instructions) {

    /** @param stage of the build that it belongs to */
    record Instruction(String name, String arguments, String stage) {

        List<String> words() {
            return List.of(arguments.split("\\s+"));
        }

        /** Of an instruction in its exec form. */
        List<String> exec() {
            List<String> exec = new ArrayList<>();
            for (JsonNode word : JsonMapper.shared().readTree(arguments.substring(arguments.indexOf('[')))) {
                exec.add(word.asString());
            }
            return exec;
        }
    }

    static Dockerfile read() throws IOException {
        List<Instruction> instructions = new ArrayList<>();
        String stage = "";
        StringBuilder pending = new StringBuilder();
        for (String line : Files.readAllLines(Path.of(System.getProperty("vlm.root"), "Dockerfile"))) {
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            if (line.endsWith("\\")) {
                pending.append(line, 0, line.length() - 1).append(' ');
                continue;
            }
            String[] parts = pending.append(line).toString().strip().split("\\s+", 2);
            pending.setLength(0);
            String name = parts[0].toUpperCase(Locale.ROOT);
            if (name.equals("FROM")) {
                stage = parts[1].substring(parts[1].lastIndexOf(' ') + 1);
            }
            instructions.add(new Instruction(name, parts[1], stage));
        }
        return new Dockerfile(instructions);
    }

    List<Instruction> all(String name) {
        return instructions.stream().filter(i -> i.name().equals(name)).toList();
    }

    /** The last one in the stage that the image is made of. */
    Instruction last(String name) {
        return find(instructions.getLast().stage(), name)
                .orElseThrow(() -> new AssertionError("the Dockerfile's last stage has no " + name));
    }

    Optional<Instruction> find(String stage, String name) {
        return instructions.stream()
                .filter(i -> i.name().equals(name) && i.stage().equals(stage))
                .reduce((earlier, later) -> later);
    }

    /** The value that containers see unless they set their own. */
    Optional<String> environment(String variable) {
        return all("ENV").stream()
                .flatMap(env -> env.words().stream())
                .filter(word -> word.startsWith(variable + "="))
                .map(word -> word.substring(variable.length() + 1).replace("\"", ""))
                .findFirst();
    }
}
