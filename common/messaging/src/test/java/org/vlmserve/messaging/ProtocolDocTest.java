package org.vlmserve.messaging;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.vlmserve.protocol.AnswerEvent;
import org.vlmserve.protocol.ChatTurn;
import org.vlmserve.protocol.Envelope;
import org.vlmserve.protocol.InstanceStatus;
import org.vlmserve.protocol.ModelRef;
import org.vlmserve.protocol.PictureFiles;
import org.vlmserve.protocol.PictureLayout;
import org.vlmserve.protocol.PictureSource;
import org.vlmserve.protocol.PixelLimits;
import org.vlmserve.protocol.PromptJob;
import org.vlmserve.protocol.Region;
import org.vlmserve.protocol.Sampling;
import org.vlmserve.protocol.StageTimes;
import org.vlmserve.protocol.WireCodec;
import org.vlmserve.protocol.WireMessage;
import org.vlmserve.protocol.error.ErrorCode;

/** {@code docs/protocol.md} against the code: it lists every record, every field, every topic and every error. */
class ProtocolDocTest {

    private static String doc = "";

    @BeforeAll
    static void read() throws IOException {
        doc = Files.readString(Path.of(System.getProperty("vlm.root"), "docs", "protocol.md"));
    }

    static Stream<Class<?>> records() {
        List<Class<?>> types = new ArrayList<>();
        collect(WireMessage.class, types);
        return Stream.concat(
                types.stream(),
                Stream.of(
                        Envelope.class,
                        ModelRef.class,
                        PixelLimits.class,
                        PictureFiles.class,
                        PictureSource.class,
                        Region.class,
                        PictureLayout.class,
                        PictureLayout.Grid.class,
                        StageTimes.class,
                        ChatTurn.class,
                        PromptJob.PictureRef.class,
                        Sampling.class,
                        AnswerEvent.TokenLogprob.class,
                        AnswerEvent.Usage.class,
                        InstanceStatus.ServedModel.class));
    }

    private static void collect(Class<?> type, List<Class<?>> types) {
        Class<?>[] permitted = type.getPermittedSubclasses();
        if (permitted == null) {
            types.add(type);
        } else {
            Arrays.stream(permitted).forEach(sub -> collect(sub, types));
        }
    }

    private static String section(String title) {
        int start = doc.indexOf("\n### " + title + "\n");
        assertThat(start).as("a section '### %s'", title).isNotNegative();
        int end = doc.indexOf("\n#", start + 2);
        return doc.substring(start, end < 0 ? doc.length() : end);
    }

    @ParameterizedTest
    @MethodSource("records")
    void everyRecordHasATableOfItsFieldsAndNoOthers(Class<?> record) {
        List<String> documented = section(record.getSimpleName())
                .lines()
                .filter(line -> line.startsWith("| `"))
                .map(line -> line.substring(3, line.indexOf('`', 3)))
                .toList();
        assertThat(documented)
                .containsExactlyInAnyOrderElementsOf(Arrays.stream(record.getRecordComponents())
                        .map(RecordComponent::getName)
                        .toList());
    }

    @ParameterizedTest
    @EnumSource
    void everyErrorHasARowWithItsNumberStatusAndBlame(ErrorCode code) {
        assertThat(doc)
                .contains("| `" + code.name() + "` | " + code.number() + " | "
                        + (code.httpStatus() == 0 ? "–" : code.httpStatus()) + " | "
                        + code.blame().name().toLowerCase(Locale.ROOT) + " | " + yes(code.retryable()) + " | "
                        + yes(code.deadLettered()) + " | ");
    }

    private static String yes(boolean value) {
        return value ? "yes" : "no";
    }

    @Test
    void theTableHoldsNoErrorThatDoesNotExist() {
        assertThat(section("DeadLetter") + doc.substring(doc.indexOf("\n## Errors")))
                .satisfies(
                        errors -> assertThat(errors.lines().filter(line -> line.matches("\\| `[A-Z_]+` \\| \\d+ .*")))
                                .hasSize(ErrorCode.values().length));
    }

    @Test
    void everyTopicIsNamed() {
        ModelRef model = Echo.model("any");
        for (String topic : Topics.all(model)) {
            assertThat(doc).contains("| `" + Topics.kind(topic) + "` |");
        }
        assertThat(doc).contains("| `" + Topics.STATUS + "` |", "| `" + Topics.CONTROL + "` |");
        assertThat(Topics.dead("<topic>")).isEqualTo("<topic>.dead");
        assertThat(doc).contains("| `<topic>.dead` |");
    }

    @Test
    void theVersionIsTheCodecs() {
        assertThat(doc).startsWith("# The wire protocol, version " + WireCodec.VERSION + "\n");
    }

    @Test
    void everyTypeHasItsNumber() {
        // One instance of each type would be the sample list of the codec's own test; the numbers are read off the
        // bytes.
        assertThat(section("CancelRequest"))
                .contains("Type " + WireCodec.typeId(new org.vlmserve.protocol.CancelRequest("r")) + ",");
        assertThat(doc.lines().filter(line -> line.matches("Type \\d+, topic .*")))
                .hasSize((int)
                        records().filter(WireMessage.class::isAssignableFrom).count());
    }
}
