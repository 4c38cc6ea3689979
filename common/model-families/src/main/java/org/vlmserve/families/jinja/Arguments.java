package org.vlmserve.families.jinja;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a call, a filter or a test is given. */
record Arguments(List<@Nullable Object> positional, Map<String, @Nullable Object> named) {

    /** The argument at this place or of this name, or {@code absent}. */
    @Nullable
    Object get(int index, String name, @Nullable Object absent) {
        if (index < positional.size()) {
            return positional.get(index);
        }
        return named.containsKey(name) ? named.get(name) : absent;
    }

    /** The argument at this place, which must be given. */
    @Nullable
    Object get(int index) {
        if (index >= positional.size()) {
            throw new TemplateException("expected " + (index + 1) + " arguments, got " + positional.size());
        }
        return positional.get(index);
    }

    /** The argument at this place, which must be a string. */
    String text(int index) {
        if (!(get(index) instanceof String s)) {
            throw new TemplateException("expected a string, got a " + Values.type(get(index)));
        }
        return s;
    }

    /** These arguments without the first {@code count}. */
    Arguments from(int count) {
        return new Arguments(positional.subList(Math.min(count, positional.size()), positional.size()), named);
    }

    int size() {
        return positional.size();
    }
}
