package org.vlmserve.launcher;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.constructor.SafeConstructor;

/** A node of a YAML document with a path, so that what is missing can be named. */
record Yaml(String path, Object value) {

    static List<Yaml> documents(Path file) throws IOException {
        return documents(file.getFileName().toString(), Files.readString(file));
    }

    static List<Yaml> documents(String name, String text) {
        LoaderOptions options = new LoaderOptions();
        options.setAllowDuplicateKeys(false);
        List<Yaml> documents = new ArrayList<>();
        for (Object document : new org.yaml.snakeyaml.Yaml(new SafeConstructor(options)).loadAll(text)) {
            documents.add(new Yaml(name, document));
        }
        return documents;
    }

    boolean has(String... keys) {
        Object node = value;
        for (String key : keys) {
            if (!(node instanceof Map<?, ?> map) || !map.containsKey(key)) {
                return false;
            }
            node = map.get(key);
        }
        return true;
    }

    Yaml at(String... keys) {
        Yaml node = this;
        for (String key : keys) {
            if (!node.has(key)) {
                throw new AssertionError(node.path + " has no " + key + ": " + node.value);
            }
            Object child = Objects.requireNonNull(((Map<?, ?>) node.value).get(key), node.path + "/" + key);
            node = new Yaml(node.path + "/" + key, child);
        }
        return node;
    }

    String text() {
        if (value instanceof Map || value instanceof List) {
            throw new AssertionError(path + " is no plain value: " + value);
        }
        return String.valueOf(value);
    }

    int number() {
        return Integer.parseInt(text());
    }

    List<Yaml> items() {
        if (!(value instanceof List<?> list)) {
            throw new AssertionError(path + " is no list: " + value);
        }
        List<Yaml> items = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            items.add(new Yaml(path + "/" + i, list.get(i)));
        }
        return items;
    }

    List<Yaml> itemsOrNone(String key) {
        return has(key) ? at(key).items() : List.of();
    }

    List<String> texts() {
        return items().stream().map(Yaml::text).toList();
    }

    Map<String, Yaml> entries() {
        if (!(value instanceof Map<?, ?> map)) {
            throw new AssertionError(path + " is no map: " + value);
        }
        Map<String, Yaml> entries = new TreeMap<>();
        map.forEach((key, entry) -> entries.put(String.valueOf(key), new Yaml(path + "/" + key, entry)));
        return entries;
    }

    Set<String> keys() {
        return entries().keySet();
    }

    /** As Spring flattens it: {@code a.b}, and {@code a[b]} for a key in brackets. */
    Map<String, String> properties() {
        Map<String, String> flat = new TreeMap<>();
        flatten("", flat);
        return flat;
    }

    private void flatten(String prefix, Map<String, String> flat) {
        if (value instanceof Map) {
            entries()
                    .forEach((key, entry) -> entry.flatten(
                            key.startsWith("[") || prefix.isEmpty() ? prefix + key : prefix + "." + key, flat));
        } else {
            flat.put(prefix, text());
        }
    }
}
