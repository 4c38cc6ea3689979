package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a container of the suite's image is told to run: JVM options, {@code @PROGRAM.args}, and the program's arguments.
 *
 * @param properties of Spring, by key
 * @param others arguments that are no properties
 */
record ContainerCommand(Program program, List<String> options, Map<String, String> properties, List<String> others) {

    static ContainerCommand parse(String place, List<String> arguments) {
        List<String> options = new ArrayList<>();
        Map<String, String> properties = new LinkedHashMap<>();
        List<String> others = new ArrayList<>();
        Program program = null;
        for (String argument : arguments) {
            if (program == null && argument.startsWith("@")) {
                assertThat(argument).as(place).endsWith(".args");
                String name = argument.substring(1, argument.length() - ".args".length());
                program = Program.ofWireName(name)
                        .orElseThrow(() -> new AssertionError(place + " runs " + name + ", which is no program"));
            } else if (program == null) {
                assertThat(argument).as(place).matches("-X[a-zA-Z0-9:+=]+");
                options.add(argument);
            } else if (program != Program.IMPORTER && argument.startsWith("--")) {
                int equals = argument.lastIndexOf('=');
                assertThat(equals).as(place + " " + argument).isPositive();
                properties.put(argument.substring(2, equals), argument.substring(equals + 1));
            } else {
                others.add(argument);
            }
        }
        if (program == null) {
            throw new AssertionError(place + " names no program: " + arguments);
        }
        return new ContainerCommand(program, options, properties, others);
    }
}
