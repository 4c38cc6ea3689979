package org.vlmserve.importer.checkpoint;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Names that a tensor has in a checkpoint of a wrapped, adapted or quantised model, and how to save it under its own. */
final class ForeignNames {

    /**
     * A part that someone puts into names.
     *
     * @param part between dots
     * @param who puts it there, and what to save instead
     */
    private record Wrapper(String part, String who) {}

    private static final String MERGE =
            "PEFT names them so; merge the adapter with merge_and_unload() and save the result with save_pretrained";

    private static final List<Wrapper> WRAPPERS = List.of(
            new Wrapper("base_model.model", MERGE),
            new Wrapper("base_layer", MERGE),
            new Wrapper("modules_to_save.default", MERGE),
            new Wrapper("original_module", MERGE),
            new Wrapper("_orig_mod", "torch.compile names them so; save the model that it wraps, model._orig_mod"),
            new Wrapper("_fsdp_wrapped_module", "FSDP names them so; save a full state dict"),
            new Wrapper(
                    "_checkpoint_wrapped_module", "activation checkpointing names them so; save the unwrapped model"),
            new Wrapper(
                    "module",
                    "DataParallel, DistributedDataParallel and DeepSpeed name them so; save the model that they wrap,"
                            + " model.module"));

    /** Endings that stand in the place of {@code .weight}, or beside it. */
    private static final List<String> QUANTISED = List.of(
            "qweight",
            "weight_packed",
            "weight.absmax",
            "weight._data",
            "weight_scale",
            "weight_scale_inv",
            "scales",
            "W_q",
            "codes");

    private static final Pattern WRAPPED = Pattern.compile(WRAPPERS.stream()
            .map(wrapper -> Pattern.quote(wrapper.part()))
            .collect(Collectors.joining("|", "(?<=^|\\.)(", ")\\.")));

    private ForeignNames() {}

    /**
     * Under which name the checkpoint has a tensor that it should have under one of others.
     *
     * @param wanted none of which is there
     * @param present all names of the checkpoint
     * @return a clause, or null if nothing is like it
     */
    static @Nullable String explain(List<String> wanted, Set<String> present) {
        for (String name : wanted) {
            for (String ending : QUANTISED) {
                String quantised = name.replaceFirst("weight$", ending);
                if (name.endsWith("weight") && present.contains(quantised)) {
                    return "the checkpoint has " + quantised
                            + ", of quantised weights; import the checkpoint that they were made" + " from";
                }
            }
        }
        for (String name : present) {
            String plain = WRAPPED.matcher(name).replaceAll("");
            if (!plain.equals(name) && wanted.stream().anyMatch(each -> isEnd(plain, each) || isEnd(each, plain))) {
                return "the checkpoint has " + name + ": " + wrappers(name);
            }
        }
        for (String name : wanted) {
            for (String other : present) {
                if (isEnd(other, name)) {
                    return "the checkpoint has " + other + ": its names begin with '"
                            + other.substring(0, other.length() - name.length())
                            + "'; save the model without what is around it";
                }
            }
        }
        return null;
    }

    private static boolean isEnd(String longer, String end) {
        return longer.equals(end) || longer.endsWith("." + end);
    }

    private static String wrappers(String name) {
        List<String> found = new ArrayList<>();
        Matcher matcher = WRAPPED.matcher(name);
        while (matcher.find()) {
            String part = matcher.group(1);
            WRAPPERS.stream()
                    .filter(wrapper -> wrapper.part().equals(part))
                    .map(wrapper -> "'" + part + ".' is no part of them, " + wrapper.who())
                    .filter(said -> !found.contains(said))
                    .forEach(found::add);
        }
        return String.join("; ", found);
    }
}
