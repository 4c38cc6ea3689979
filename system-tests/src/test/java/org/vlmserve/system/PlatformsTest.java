package org.vlmserve.system;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * For each platform that the build knows there are natives of every library that has some. Most keep all platforms in one jar,
 * which is read; JavaCPP and FFmpeg have a jar for each, of which {@code target/platforms} holds the small ones and the
 * signatures of the large ones, as the repository has them.
 */
final class PlatformsTest {

    private static final Path ROOT = Path.of(System.getProperty("vlm.root"));
    private static final Path OTHERS = ROOT.resolve("system-tests/target/platforms");

    private static final List<String> MODULES = List.of(
            "gateway-service",
            "vision-encoder-service",
            "projector-service",
            "decoder-service",
            "model-importer",
            "launcher",
            "launcher/broker");

    /** By what the build calls them: as libraries name the system, and the processor. */
    private static final Map<String, Platform> PLATFORMS = Map.of(
            "linux-x86_64", new Platform("linux", "x86[_-]64|x64|amd64"),
            "linux-arm64", new Platform("linux", "aarch64|arm64"),
            "macosx-arm64", new Platform("osx|mac|darwin", "aarch64|arm64"),
            "windows-x86_64", new Platform("win(?:dows|32)?", "x86[_-]64|x64|amd64"));

    private static final Pattern NATIVE = Pattern.compile(".*\\.(so|dylib|jnilib|dll)(\\.\\d+)*");

    /** Of libraries with a jar for each platform. */
    private static final Pattern CLASSIFIER =
            Pattern.compile("(.*?)-\\d[\\w.-]*?-((?:linux|osx|macosx|windows)-\\w+)\\.jar");

    /** Faster ways to the network, which Netty does without where they are missing, and QUIC, which nothing here speaks. */
    private static final Set<String> DISPENSABLE =
            Set.of("netty-transport-native-epoll", "netty-resolver-dns-native-macos", "netty-codec-native-quic");

    private record Platform(Pattern directory) {
        Platform(String system, String processor) {
            this(Pattern.compile("(^|.*[/-])(" + system + ")[/-](" + processor + ")($|/.*)"));
        }

        boolean isIn(Set<String> directories) {
            return directories.stream().anyMatch(name -> directory.matcher(name).matches());
        }
    }

    /** The directories with natives by jar, of all that the programs run on. */
    private static Map<String, Set<String>> natives() throws IOException {
        Map<String, Set<String>> natives = new TreeMap<>();
        for (String module : MODULES) {
            String classPath = Files.readString(ROOT.resolve(module).resolve("target/runtime.classpath"));
            for (String jar : classPath.strip().split(File.pathSeparator, -1)) {
                if (jar.endsWith(".jar")) {
                    Set<String> directories = directories(Path.of(jar));
                    if (!directories.isEmpty()) {
                        natives.put(Path.of(jar).getFileName().toString(), directories);
                    }
                }
            }
        }
        return natives;
    }

    private static Set<String> directories(Path jar) throws IOException {
        try (JarFile file = new JarFile(jar.toFile())) {
            return file.stream()
                    .map(JarEntry::getName)
                    .filter(name -> NATIVE.matcher(name).matches())
                    .map(name -> name.substring(0, Math.max(0, name.lastIndexOf('/')))
                            .toLowerCase(Locale.ROOT))
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }

    @Test
    void a_jar_for_all_platforms_has_all_of_them() throws IOException {
        Map<String, Set<String>> natives = natives();
        assertThat(natives.keySet())
                .as("those without which nothing works")
                .anyMatch(jar -> jar.startsWith("onnxruntime-"))
                .anyMatch(jar -> jar.startsWith("tokenizers-"));
        List<String> missing = new ArrayList<>();
        natives.forEach((jar, directories) -> {
            if (!CLASSIFIER.matcher(jar).matches()) {
                PLATFORMS.forEach((name, platform) -> {
                    if (!platform.isIn(directories)) {
                        missing.add(jar + " has no natives for " + name);
                    }
                });
            }
        });
        assertThat(missing).isEmpty();
    }

    @Test
    void a_jar_for_one_platform_is_there_for_each() throws IOException {
        Set<String> libraries = new TreeSet<>();
        for (String jar : natives().keySet()) {
            Matcher classified = CLASSIFIER.matcher(jar);
            if (classified.matches() && !DISPENSABLE.contains(classified.group(1))) {
                libraries.add(classified.group(1));
            }
        }
        assertThat(libraries).containsExactly("ffmpeg", "javacpp");
        Set<String> inRepository = new TreeSet<>();
        try (Stream<Path> files = Files.list(OTHERS)) {
            for (Path file : files.toList()) {
                String jar = file.getFileName().toString().replaceFirst("\\.asc$", "");
                Matcher classified = CLASSIFIER.matcher(jar);
                assertThat(classified.matches()).as(jar).isTrue();
                String platform = classified.group(2);
                inRepository.add(classified.group(1) + " " + platform);
                if (file.toString().endsWith(".jar")) {
                    assertThat(directories(file)).contains("org/bytedeco/" + classified.group(1) + "/" + platform);
                } else {
                    assertThat(Files.readString(file)).startsWith("-----BEGIN PGP SIGNATURE-----");
                }
            }
        }
        Set<String> wanted = libraries.stream()
                .flatMap(library -> PLATFORMS.keySet().stream().map(platform -> library + " " + platform))
                .collect(Collectors.toCollection(TreeSet::new));
        assertThat(inRepository).isEqualTo(wanted);
    }

    @Test
    void the_build_chooses_among_them() throws Exception {
        Element project = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(ROOT.resolve("pom.xml").toFile())
                .getDocumentElement();
        NodeList profiles = project.getElementsByTagName("profile");
        Map<String, String> chosen = new LinkedHashMap<>();
        for (int i = 0; i < profiles.getLength(); i++) {
            Element profile = (Element) profiles.item(i);
            String name = text(profile, "name") + text(profile, "family");
            chosen.put(text(profile, "native.platform"), name + " " + text(profile, "arch"));
        }
        // As the JVM and Maven call them.
        assertThat(chosen)
                .containsExactlyInAnyOrderEntriesOf(Map.of(
                        "linux-x86_64", "linux amd64",
                        "linux-arm64", "linux aarch64",
                        "macosx-arm64", "mac aarch64",
                        "windows-x86_64", "windows amd64"));
        assertThat(chosen.keySet()).isEqualTo(PLATFORMS.keySet());
    }

    private static String text(Element element, String name) {
        NodeList found = element.getElementsByTagName(name);
        return found.getLength() == 0 ? "" : found.item(0).getTextContent().strip();
    }
}
