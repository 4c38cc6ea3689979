package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.vlmserve.launcher.Dockerfile.Instruction;

/** What can be known about the image without building it. */
class DockerfileTest {

    private static final Path ROOT = ProgramSettings.ROOT;

    @Test
    void copiesWhatIsThereAndAllThatTheBuildNeeds() throws Exception {
        Dockerfile dockerfile = Dockerfile.read();
        List<String> sources = new ArrayList<>();
        List<String> stages =
                dockerfile.all("FROM").stream().map(Instruction::stage).toList();
        for (Instruction copy : dockerfile.all("COPY")) {
            List<String> words = copy.words();
            if (words.getFirst().startsWith("--from=")) {
                String from = words.getFirst().substring("--from=".length());
                assertThat(stages).contains(from);
                Instruction directory = dockerfile.find(from, "WORKDIR").orElseThrow();
                assertThat(words.get(1)).isEqualTo(directory.arguments() + "/launcher/target/suite/");
            } else {
                sources.addAll(words.subList(0, words.size() - 1));
            }
        }
        for (String source : sources) {
            assertThat(ROOT.resolve(source)).exists();
        }
        List<String> ignore = Files.readAllLines(ROOT.resolve(".dockerignore"));
        assertThat(ignore.getFirst()).isEqualTo("*");
        assertThat(ignore.stream().filter(line -> line.startsWith("!")).map(line -> line.substring(1)))
                .as("what is sent to the engine is what is copied")
                .containsExactlyInAnyOrderElementsOf(sources);
        Matcher modules = Pattern.compile("<module>(.*)</module>").matcher(Files.readString(ROOT.resolve("pom.xml")));
        while (modules.find()) {
            String module = modules.group(1);
            assertThat(sources)
                    .as("Maven reads the pom of module " + module)
                    .anyMatch(
                            source -> (module + "/pom.xml").equals(source) || (module + "/").startsWith(source + "/"));
        }
    }

    @Test
    void runsAsNobodyInParticularAndSaysHowItIs() throws Exception {
        Dockerfile dockerfile = Dockerfile.read();
        assertThat(dockerfile.last("USER").arguments()).isEqualTo("10001:10001");
        assertThat(dockerfile.last("ENTRYPOINT").exec()).containsExactly("java");
        assertThat(ContainerCommand.parse("CMD", dockerfile.last("CMD").exec()).program())
                .isEqualTo(Program.GATEWAY);
        String port = dockerfile.environment("MANAGEMENT_SERVER_PORT").orElseThrow();
        assertThat(dockerfile.last("HEALTHCHECK").exec())
                .endsWith("http://127.0.0.1:" + port + "/actuator/health/readiness");
        assertThat(dockerfile.last("EXPOSE").words()).contains(port);
        assertThat(dockerfile.all("FROM"))
                .as("the build's JDK and the image's JRE are those that the suite is made for")
                .allSatisfy(from -> assertThat(from.arguments()).containsPattern("temurin[-:]25"));
    }

    /** The image runs what the build lists for each program, and the build lists what is there. */
    @ParameterizedTest
    @EnumSource(Program.class)
    void everyProgramHasItsMainClass(Program program) throws Exception {
        try (var loader = ProgramSettings.classLoader(program)) {
            assertThat(Class.forName(program.mainClass(), false, loader).getMethod("main", String[].class))
                    .isNotNull();
        }
    }
}
