package org.vlmserve.families.jinja;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.vlmserve.families.jinja.Values.Undefined;

/** The names that a piece of a template sees. What a loop's body or a macro sets is gone at its end. */
final class Scope {

    private final @Nullable Scope outer;
    private final Map<String, @Nullable Object> names = new HashMap<>();

    Scope(@Nullable Scope outer) {
        this.outer = outer;
    }

    @Nullable
    Object get(String name) {
        for (Scope scope = this; scope != null; scope = scope.outer) {
            if (scope.names.containsKey(name)) {
                return scope.names.get(name);
            }
        }
        return new Undefined("'" + name + "'");
    }

    void set(String name, @Nullable Object value) {
        names.put(name, value);
    }
}
