package org.vlmserve.onnx;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Names the type of processor, so that what was found out about one, or arranged for it, is not used on another. On Linux that is its
 * name and its instructions; everywhere, the vector instructions that the JVM found, which an emulator that passes the host's
 * {@code /proc/cpuinfo} through cannot hide.
 */
final class Processor {

    private static final List<String> TELLING = List.of("model name", "flags", "Features", "CPU part");
    private static final List<String> VECTOR_OPTIONS = List.of("UseSSE", "UseAVX", "MaxVectorSize", "UseSVE");

    private Processor() {}

    static String description() {
        return description(Path.of("/proc/cpuinfo"));
    }

    /** @param cpuinfo in the format of Linux's {@code /proc/cpuinfo}; where there is no such file, the system has none */
    static String description(Path cpuinfo) {
        List<String> parts = new ArrayList<>();
        parts.add(System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        Optional.ofNullable(System.getenv("PROCESSOR_IDENTIFIER")).ifPresent(parts::add);
        if (Files.isReadable(cpuinfo)) {
            try (Stream<String> lines = Files.lines(cpuinfo)) {
                lines.filter(line -> TELLING.stream().anyMatch(line::startsWith))
                        .distinct()
                        .forEach(parts::add);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        parts.addAll(vectorOptions());
        return String.join("\n", parts);
    }

    private static List<String> vectorOptions() {
        HotSpotDiagnosticMXBean machine = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
        List<String> options = new ArrayList<>();
        if (machine != null) {
            for (String option : VECTOR_OPTIONS) {
                try {
                    options.add(option + "=" + machine.getVMOption(option).getValue());
                } catch (IllegalArgumentException e) {
                    // Another architecture's option.
                    continue;
                }
            }
        }
        return options;
    }
}
