package org.vlmserve.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LogFileTest {

    @TempDir
    Path directory;

    private String lastError(String text) throws Exception {
        Path file = directory.resolve("a.log");
        Files.writeString(file, text);
        return new LogFile(file).lastError();
    }

    @Test
    void findsTheLineThatSaysWhy() throws Exception {
        assertThat(lastError("")).isEqualTo("nothing printed");
        assertThat(lastError("one\ntwo\n\n")).isEqualTo("two");
        assertThat(lastError("12:00 ERROR first\n12:01 ERROR second\n12:02 INFO bye\n"))
                .isEqualTo("12:01 ERROR second");
        assertThat(
                        lastError(
                                "12:00 ERROR failed\njava.lang.Error: a\nCaused by: a.b.C: middle\n\tat x\nCaused by: a.B: deepest\n"))
                .isEqualTo("B: deepest");
        assertThat(lastError("Caused by: a.B: of an older error\n12:00 ERROR new\n"))
                .isEqualTo("12:00 ERROR new");
        assertThat(
                        lastError(
                                "12:00 ERROR x\nAPPLICATION FAILED TO START\n\nDescription:\n\nPort 1 was in use.\n\nAction:\n\nStop it.\n"))
                .isEqualTo("Port 1 was in use.");
        assertThat(
                        lastError(
                                "{\"log\":{\"level\":\"ERROR\"},\"message\":\"Application run failed\",\"error\":{\"stack_trace\":"
                                        + "\"a.B: outer\\n\\tat x\\nCaused by: a.C: inner\\n\"}}\n{\"log\":{\"level\":\"INFO\"},\"message\":\"bye\"}\n"))
                .isEqualTo("C: inner");
        assertThat(lastError("{\"log\":{\"level\":\"ERROR\"},\"message\":\"no disk\"}\n{\"cut off"))
                .isEqualTo("ERROR no disk");
        assertThat(new LogFile(directory.resolve("absent")).lastError()).isEqualTo("nothing printed");
    }

    @Test
    void keepsTheStartBeforeThisOne() throws Exception {
        Path file = directory.resolve("b.log");
        LogFile log = new LogFile(file);
        log.rotate();
        Files.writeString(file, "first");
        log.rotate();
        assertThat(file).doesNotExist();
        assertThat(directory.resolve("b.log.1")).hasContent("first");
    }
}
