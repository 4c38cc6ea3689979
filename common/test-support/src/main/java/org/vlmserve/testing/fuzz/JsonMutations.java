package org.vlmserve.testing.fuzz;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;
import tools.jackson.databind.util.RawValue;

/** Mutations of JSON that leave it JSON, or nearly: keys go, values change their type, numbers become ones that no type holds. */
public final class JsonMutations {

    private static final JsonMapper JSON = new JsonMapper();
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    /** A place in a tree: a key of an object or an index of an array. */
    private sealed interface Place {
        JsonNode value();

        void set(JsonNode value);

        void remove();
    }

    private record Property(ObjectNode parent, String key) implements Place {
        @Override
        public JsonNode value() {
            return parent.path(key);
        }

        @Override
        public void set(JsonNode value) {
            parent.set(key, value);
        }

        @Override
        public void remove() {
            parent.remove(key);
        }
    }

    private record Item(ArrayNode parent, int index) implements Place {
        @Override
        public JsonNode value() {
            return parent.path(index);
        }

        @Override
        public void set(JsonNode value) {
            parent.set(index, value);
        }

        @Override
        public void remove() {
            parent.remove(index);
        }
    }

    private interface OfPlace {
        void change(Place place, List<Place> others, RandomGenerator random);
    }

    private JsonMutations() {}

    /** Each may be applied to what is no JSON, which it leaves as it is. */
    public static List<Mutation> all() {
        List<OfPlace> changes = List.of(
                (place, others, random) -> place.remove(),
                (place, others, random) -> place.set(number(random)),
                (place, others, random) -> place.set(number(random)),
                (place, others, random) -> place.set(ofAnotherType(random)),
                (place, others, random) -> place.set(ofAnotherType(random)),
                JsonMutations::take,
                JsonMutations::renameKey,
                JsonMutations::changeText,
                JsonMutations::repeat,
                JsonMutations::nest);
        List<Mutation> all = new ArrayList<>();
        changes.forEach(change -> all.add(onTree(change)));
        all.add(JsonMutations::duplicateKey);
        return all;
    }

    private static Mutation onTree(OfPlace change) {
        return (input, other, random) -> {
            try {
                JsonNode tree = JSON.readTree(input);
                List<Place> places = new ArrayList<>();
                collect(tree, places);
                if (places.isEmpty()) {
                    return input;
                }
                List<Place> others = new ArrayList<>();
                collect(other == input ? tree.deepCopy() : JSON.readTree(other), others);
                change.change(place(places, random), others, random);
                return JSON.writeValueAsBytes(tree);
            } catch (JacksonException e) {
                return input;
            }
        };
    }

    /** Without recursion: an earlier mutation may have nested the tree deeply. */
    private static void collect(JsonNode root, List<Place> places) {
        List<JsonNode> left = new ArrayList<>(List.of(root));
        while (!left.isEmpty()) {
            JsonNode node = left.removeLast();
            if (node instanceof ObjectNode object) {
                for (Map.Entry<String, JsonNode> entry : object.properties()) {
                    places.add(new Property(object, entry.getKey()));
                    left.add(entry.getValue());
                }
            } else if (node instanceof ArrayNode array) {
                for (int i = 0; i < array.size(); i++) {
                    places.add(new Item(array, i));
                    left.add(array.get(i));
                }
            }
        }
    }

    /** A place; those of small objects as often as those of a vocabulary of thousands. */
    private static Place place(List<Place> places, RandomGenerator random) {
        if (random.nextBoolean()) {
            return TextMutations.pick(places, random);
        }
        List<Place> few = places.stream()
                .filter(p -> p instanceof Property property && property.parent().size() <= 64)
                .toList();
        return TextMutations.pick(few.isEmpty() ? places : few, random);
    }

    private static JsonNode number(RandomGenerator random) {
        return raw(TextMutations.pick(TextMutations.NUMBERS, random));
    }

    private static JsonNode raw(String json) {
        return NODES.rawValueNode(new RawValue(json));
    }

    private static JsonNode ofAnotherType(RandomGenerator random) {
        return switch (random.nextInt(8)) {
            case 0 -> NODES.nullNode();
            case 1 -> NODES.booleanNode(random.nextBoolean());
            case 2 -> NODES.objectNode();
            case 3 -> NODES.arrayNode();
            case 4 -> NODES.stringNode("");
            case 5 -> NODES.stringNode("12");
            case 6 -> NODES.arrayNode().add(1).add("a").addNull();
            default -> NODES.objectNode().put("content", 1);
        };
    }

    /** A value from anywhere in the other input. */
    private static void take(Place place, List<Place> others, RandomGenerator random) {
        if (!others.isEmpty()) {
            place.set(TextMutations.pick(others, random).value());
        }
    }

    private static void renameKey(Place place, List<Place> others, RandomGenerator random) {
        if (place instanceof Property property) {
            JsonNode value = property.value();
            property.remove();
            String key = property.key();
            property.parent().set(random.nextBoolean() ? key + "x" : key.repeat(1 << random.nextInt(12)), value);
        }
    }

    private static void changeText(Place place, List<Place> others, RandomGenerator random) {
        String text = place.value().isString() ? place.value().stringValue() : "a";
        place.set(
                switch (random.nextInt(6)) {
                    case 0 -> NODES.stringNode(text + "x");
                    case 1 -> NODES.stringNode(text.isEmpty() ? "" : text.substring(1));
                    case 2 ->
                        NODES.stringNode(
                                ("a" + text).repeat(TextMutations.times(1 << random.nextInt(18), text.length() + 1)));
                    // Half of a surrogate pair, which JSON can write and UTF-8 cannot.
                    case 3 -> raw("\"\\ud83d\"");
                    case 4 -> NODES.stringNode("\0" + text);
                    default -> NODES.stringNode("../" + text);
                });
    }

    /** An array of many copies of the value, or of the array's own items. */
    private static void repeat(Place place, List<Place> others, RandomGenerator random) {
        String item = place.value().toString();
        ArrayNode copies = NODES.arrayNode();
        for (int i = TextMutations.times(1 << random.nextInt(16), item.length() + 1); i > 0; i--) {
            copies.add(place.value());
        }
        place.set(copies);
    }

    /** The value inside up to a hundred thousand arrays or objects: more than any parser may follow on its stack. */
    private static void nest(Place place, List<Place> others, RandomGenerator random) {
        int depth = 1 << random.nextInt(18);
        boolean array = random.nextBoolean();
        place.set(raw((array ? "[" : "{\"a\":").repeat(depth) + place.value() + (array ? "]" : "}").repeat(depth)));
    }

    /** A key that comes twice, with different values. */
    private static byte[] duplicateKey(byte[] input, byte[] other, RandomGenerator random) {
        String text = new String(input, StandardCharsets.UTF_8);
        try {
            if (!(JSON.readTree(text) instanceof ObjectNode object) || object.isEmpty()) {
                return input;
            }
            List<String> keys =
                    object.properties().stream().map(Map.Entry::getKey).toList();
            String key = NODES.stringNode(TextMutations.pick(keys, random)).toString();
            String value = TextMutations.pick(TextMutations.NUMBERS, random);
            int end = text.lastIndexOf('}');
            return (text.substring(0, end) + "," + key + ":" + value + text.substring(end))
                    .getBytes(StandardCharsets.UTF_8);
        } catch (JacksonException e) {
            return input;
        }
    }
}
