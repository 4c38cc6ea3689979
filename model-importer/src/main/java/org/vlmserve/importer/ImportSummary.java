package org.vlmserve.importer;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.vlmserve.families.bundle.BundleManifest;
import org.vlmserve.families.checkpoint.Warnings;
import org.vlmserve.importer.checkpoint.CheckpointReader;
import org.vlmserve.importer.graph.WeightFormat;
import org.vlmserve.protocol.tensor.DType;

/**
 * What became of a checkpoint.
 *
 * @param usedTensors how many of its tensors are in the bundle
 * @param unusedTensors names of all others, in the files' order
 * @param weightBytes bytes of the graphs' weights by format; vectors, and tables that the graphs need, count as FP32
 * @param embeddingDtype element type of the embedding table
 * @param embeddingBytes bytes of the embedding table
 * @param warnings sentences about what the checkpoint asks for and does not get
 */
public record ImportSummary(
        String family,
        int usedTensors,
        List<String> unusedTensors,
        Map<WeightFormat, Long> weightBytes,
        DType embeddingDtype,
        long embeddingBytes,
        List<String> warnings) {

    private static final int SHOWN = 10;
    private static final double MIB = 1 << 20;

    /** Leftovers of older versions of transformers, which their successors recompute; it passes over them without a word too. */
    private static final Pattern RECOMPUTED = Pattern.compile("(?:.*\\.)?(?:rotary_emb\\.inv_freq|position_ids)");

    private static final Pattern LAYER = Pattern.compile("(.*\\.?(?:layers|blocks)\\.)(\\d{1,9})\\..*");

    /**
     * Looks at what was asked for of a checkpoint's tensors.
     *
     * @param checkpoint of which all that the graphs need was asked for
     * @param warnings gets those about tensors that went into nothing
     */
    static ImportSummary of(Blueprint blueprint, CheckpointReader checkpoint, Warnings warnings) {
        judge(checkpoint, warnings);
        Map<WeightFormat, Long> bytes = new TreeMap<>();
        List.of(blueprint.encoder(), blueprint.projector(), blueprint.decoder())
                .forEach(
                        graph -> graph.bytesByFormat().forEach((format, size) -> bytes.merge(format, size, Long::sum)));
        return new ImportSummary(
                blueprint.manifest().family(),
                checkpoint.used(),
                checkpoint.unused(),
                bytes,
                blueprint.manifest().decoder().embeddingDtype(),
                blueprint.embeddingBytes(),
                warnings.list());
    }

    private static void judge(CheckpointReader checkpoint, Warnings warnings) {
        List<String> unexpected = checkpoint.unexpected().stream()
                .filter(name -> !RECOMPUTED.matcher(name).matches())
                .toList();
        Map<String, TreeSet<Integer>> layers = new TreeMap<>();
        List<String> strangers = new ArrayList<>();
        for (String name : unexpected) {
            Matcher layer = LAYER.matcher(name);
            if (layer.matches()
                    && checkpoint.usesBelow(layer.group(1))
                    && !checkpoint.usesBelow(layer.group(1) + layer.group(2) + ".")) {
                layers.computeIfAbsent(layer.group(1), prefix -> new TreeSet<>())
                        .add(Integer.valueOf(layer.group(2)));
            } else {
                strangers.add(name);
            }
        }
        layers.forEach((prefix, indices) -> warnings.add("the checkpoint has "
                + indices.stream().limit(SHOWN).map(index -> prefix + index).collect(Collectors.joining(", "))
                + (indices.size() > SHOWN ? " and " + (indices.size() - SHOWN) + " more" : "")
                + ", which are more layers than config.json names; they are not used"));
        if (!strangers.isEmpty()) {
            warnings.add(count(strangers.size(), "tensor") + " of the checkpoint "
                    + (strangers.size() == 1 ? "is" : "are") + " no part of this architecture and not used: "
                    + shortened(strangers));
        }
        int unused = checkpoint.unused().size();
        if (unused > checkpoint.used()) {
            warnings.add("most of the checkpoint is not used: " + unused + " of its tensors, against "
                    + checkpoint.used() + " that are; is config.json the one that belongs to it?");
        }
    }

    /** The part that a manifest keeps. */
    BundleManifest.Checkpoint section() {
        return new BundleManifest.Checkpoint(warnings, unusedTensors);
    }

    /** As lines for a terminal, on which long lists are shortened. */
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add(family + ": " + count(usedTensors, "tensor") + " used, " + unusedTensors.size() + " not used");
        if (!unusedTensors.isEmpty()) {
            lines.add("not used: " + shortened(unusedTensors)
                    + (unusedTensors.size() > SHOWN ? "; bundle.json names all" : ""));
        }
        lines.add("weights: "
                + weightBytes.entrySet().stream()
                        .sorted(Map.Entry.<WeightFormat, Long>comparingByValue().reversed())
                        .map(entry -> mib(entry.getValue()) + " " + entry.getKey())
                        .collect(Collectors.joining(", "))
                + "; embeddings: " + mib(embeddingBytes) + " " + embeddingDtype);
        warnings.forEach(warning -> lines.add("warning: " + warning));
        return lines;
    }

    private static String count(int count, String what) {
        return count + " " + what + (count == 1 ? "" : "s");
    }

    private static String shortened(List<String> names) {
        return String.join(", ", names.subList(0, Math.min(SHOWN, names.size())))
                + (names.size() > SHOWN ? " and " + (names.size() - SHOWN) + " more" : "");
    }

    private static String mib(long bytes) {
        return String.format(Locale.ROOT, "%.1f MiB", bytes / MIB);
    }
}
