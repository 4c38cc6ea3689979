package org.vlmserve.importer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vlmserve.families.FamilyRegistry;
import org.vlmserve.families.bundle.Bundle;
import org.vlmserve.families.bundle.BundleReader;
import org.vlmserve.families.prompt.ControlTokens;
import org.vlmserve.protocol.error.ErrorCode;
import org.vlmserve.protocol.error.VlmException;
import org.vlmserve.testing.GoldenCheckpoint;
import org.vlmserve.testing.Goldens;
import org.vlmserve.testing.fuzz.ByteMutations;
import org.vlmserve.testing.fuzz.FileCorpus;
import org.vlmserve.testing.fuzz.Fuzzer;
import org.vlmserve.testing.fuzz.JsonMutations;
import org.vlmserve.testing.fuzz.Mutation;
import org.vlmserve.testing.fuzz.TextMutations;

/** A checkpoint of which one file is damaged becomes a whole bundle, which opens or says why not, or an error that leaves nothing. */
class ImportFuzzTest {

    /** Of each family one; the smallest, with weights in both formats among them. */
    private static final List<String> CHECKPOINTS = List.of(
            "qwen2_vl/flat-tied",
            "llava/vicuna-hub",
            "llava_llama/v1-shards",
            "llava_next/vicuna-tiles",
            "paligemma/gemma2-untied");

    private static final FamilyRegistry FAMILIES = FamilyRegistry.load();

    @TempDir
    Path directory;

    @Test
    void aDamagedCheckpoint() throws IOException {
        List<Path> files = new ArrayList<>();
        for (GoldenCheckpoint golden : Goldens.find().checkpoints()) {
            if (CHECKPOINTS.contains(golden.toString())) {
                Path copy = Files.createDirectories(directory.resolve(golden.toString()));
                files.addAll(copies(golden.directory(), copy));
                Path tower = golden.visionTower();
                if (tower != null) {
                    copies(tower, Files.createDirectory(copy.resolve("tower")));
                }
            }
        }
        Path bundles = Files.createDirectory(directory.resolve("bundles"));
        FileCorpus corpus = new FileCorpus(files);
        Fuzzer.of(
                        "import",
                        ErrorCode.CHECKPOINT_UNREADABLE,
                        ErrorCode.CHECKPOINT_UNSUPPORTED,
                        ErrorCode.BUNDLE_CORRUPT,
                        ErrorCode.DISK_FULL)
                .from(corpus.inputs())
                .by(corpus.mutations(ImportFuzzTest::ofFile))
                .time(Duration.ofSeconds(30), Duration.ofMinutes(3))
                .memory(96 << 20, 128)
                .oneIn(20)
                .run(corpus.reader(checkpoint -> importOf(checkpoint, bundles)));
    }

    private static List<Path> copies(Path from, Path to) throws IOException {
        List<Path> copies = new ArrayList<>();
        try (Stream<Path> files = Files.list(from)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                copies.add(Files.copy(file, to.resolve(file.getFileName())));
            }
        }
        return copies;
    }

    private static List<Mutation> ofFile(Path file) {
        String name = file.getFileName().toString();
        if (name.endsWith(".safetensors") || name.endsWith(".bin") || name.endsWith(".model")) {
            return ByteMutations.all();
        }
        List<Mutation> mutations = new ArrayList<>(TextMutations.all());
        if (name.endsWith(".json")) {
            for (int i = 0; i < 3; i++) {
                mutations.addAll(JsonMutations.all());
            }
        }
        return mutations;
    }

    private static void importOf(Path checkpoint, Path bundles) throws IOException {
        Path tower = checkpoint.resolve("tower");
        Path target = bundles.resolve("tiny");
        try {
            new Importer(new Unforced(), Clock.systemUTC())
                    .run(
                            checkpoint,
                            target,
                            ImportOptions.of(Precision.INT8, Files.exists(tower) ? tower : null),
                            false,
                            ProgressListener.SILENT);
        } catch (VlmException e) {
            assertThat(bundles).isEmptyDirectory();
            throw e;
        }
        try {
            Bundle bundle = BundleReader.read(target);
            FAMILIES.familyOf(bundle).preprocessor(bundle);
            FAMILIES.familyOf(bundle).promptBuilder(bundle, ControlTokens.TEXT);
        } finally {
            try (Stream<Path> all = Files.walk(target)) {
                for (Path each : all.toList().reversed()) {
                    Files.delete(each);
                }
            }
        }
        assertThat(bundles).isEmptyDirectory();
    }

    /** A disk that is not waited for. */
    private static final class Unforced extends BundleStore {
        @Override
        BundleFile create(Path file) throws IOException {
            return new BundleFile(FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                @Override
                void force() {}
            };
        }
    }
}
