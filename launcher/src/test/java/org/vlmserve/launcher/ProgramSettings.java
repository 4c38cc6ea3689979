package org.vlmserve.launcher;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.lang.annotation.Annotation;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Enumeration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.jar.JarFile;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Which settings a program of the suite knows, read from what the build made of it: the configuration records of our own
 * modules on its class path, and the metadata in the jars of Spring Boot.
 */
final class ProgramSettings {

    static final Path ROOT = Path.of(System.getProperty("vlm.root"));

    private static final String CONFIGURATION_PROPERTIES =
            "org.springframework.boot.context.properties.ConfigurationProperties";

    private final Set<String> keys = new TreeSet<>();
    private final Set<String> maps = new TreeSet<>();

    static ProgramSettings of(Program program) throws Exception {
        ProgramSettings settings = new ProgramSettings();
        try (URLClassLoader loader = classLoader(program)) {
            for (URL entry : loader.getURLs()) {
                Path path = Path.of(entry.toURI());
                if (path.startsWith(ROOT)) {
                    for (String name : classNames(path)) {
                        if (mentions(loader, name, CONFIGURATION_PROPERTIES)) {
                            settings.readRecord(Class.forName(name, false, loader));
                        }
                    }
                }
            }
            settings.readMetadata(loader);
        }
        return settings;
    }

    /**
     * Whether a class names another, told by its file. Classes of a library that the program leaves out cannot be loaded, and it never
     * asks for them.
     */
    private static boolean mentions(ClassLoader loader, String name, String other) throws IOException {
        try (InputStream in = loader.getResourceAsStream(name.replace('.', '/') + ".class")) {
            String content = new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.ISO_8859_1);
            return content.contains(other.replace('.', '/'));
        }
    }

    /** With the class path of the program and nothing of ours around it. */
    static URLClassLoader classLoader(Program program) throws IOException {
        Path target = ROOT.resolve(program.module()).resolve("target");
        List<URL> urls = new ArrayList<>();
        urls.add(url(target.resolve("classes")));
        for (String entry :
                Files.readString(target.resolve("runtime.classpath")).strip().split(File.pathSeparator)) {
            urls.add(url(Path.of(entry)));
        }
        return new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
    }

    private static URL url(Path path) throws MalformedURLException {
        return path.toUri().toURL();
    }

    private static List<String> classNames(Path place) throws IOException {
        List<String> names = new ArrayList<>();
        if (Files.isDirectory(place)) {
            try (Stream<Path> files = Files.walk(place)) {
                files.map(file -> place.relativize(file).toString()).forEach(names::add);
            }
        } else {
            try (JarFile jar = new JarFile(place.toFile())) {
                jar.stream().forEach(entry -> names.add(entry.getName()));
            }
        }
        return names.stream()
                .filter(name -> name.endsWith(".class") && !name.endsWith("-info.class"))
                .map(name ->
                        name.substring(0, name.length() - ".class".length()).replace('/', '.'))
                .toList();
    }

    private void readRecord(Class<?> type) throws ReflectiveOperationException {
        for (Annotation annotation : type.getAnnotations()) {
            if (annotation.annotationType().getName().equals(CONFIGURATION_PROPERTIES)) {
                Method value = annotation.annotationType().getMethod("value");
                Method prefix = annotation.annotationType().getMethod("prefix");
                String name = (String) value.invoke(annotation);
                add(name.isEmpty() ? (String) prefix.invoke(annotation) : name, type);
            }
        }
    }

    private void add(String prefix, Class<?> type) {
        if (!type.isRecord()) {
            throw new AssertionError(type + " is a configuration that is no record");
        }
        for (RecordComponent component : type.getRecordComponents()) {
            String key = prefix + "."
                    + component.getName().replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
            Class<?> raw = component.getType();
            if (Map.class.isAssignableFrom(raw)) {
                maps.add(uniform(key));
            } else if (Collection.class.isAssignableFrom(raw)) {
                keys.add(uniform(key));
                Type element = ((ParameterizedType) component.getGenericType()).getActualTypeArguments()[0];
                if (element instanceof Class<?> elementClass && elementClass.isRecord()) {
                    add(key, elementClass);
                }
            } else if (raw.isRecord() && !raw.getName().startsWith("java.")) {
                add(key, raw);
            } else {
                keys.add(uniform(key));
            }
        }
    }

    private void readMetadata(ClassLoader loader) throws IOException {
        Enumeration<URL> resources = loader.getResources("META-INF/spring-configuration-metadata.json");
        while (resources.hasMoreElements()) {
            try (InputStream in = resources.nextElement().openStream()) {
                for (JsonNode property : JsonMapper.shared().readTree(in).path("properties")) {
                    String key = uniform(property.path("name").asString());
                    (property.path("type").asString("").startsWith("java.util.Map") ? maps : keys).add(key);
                }
            }
        }
    }

    /** Whether the program reads this key, written as a property, an environment variable or an entry of a map. */
    boolean knows(String key) {
        String plain = uniform(key.replaceAll("\\[[^]]*]", ""));
        return keys.contains(plain) || maps.stream().anyMatch(uniform(key)::startsWith);
    }

    private static String uniform(String key) {
        return key.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]", "");
    }

    @Override
    public String toString() {
        return "keys " + keys.stream().filter(key -> key.startsWith("vlm")).toList() + ", maps "
                + maps.stream().filter(key -> key.startsWith("vlm")).toList();
    }
}
