package org.vlmserve.launcher;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What a command line asks for. */
sealed interface Command {

    /** @param pictures files, or http and https URLs */
    record Ask(@Nullable String model, @Nullable Integer maxTokens, List<String> pictures, String question)
            implements Command {}

    /** @param bundles directories by model name, beside those of {@code models/} */
    record Up(Map<String, String> bundles, @Nullable Integer port) implements Command {}

    record Down() implements Command {}

    record Status() implements Command {}

    record Logs(Program program, boolean follow) implements Command {}

    record Import(List<String> arguments) implements Command {}

    /** Not for people: makes the AOT caches that are missing. */
    record PrepareCaches() implements Command {}

    record Help(@Nullable String topic) implements Command {}
}
