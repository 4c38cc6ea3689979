package org.vlmserve.system;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.List;

/**
 * Who may look at the clock on the wall. It is set, and it jumps when a virtual machine resumes: what waits, measures or
 * limits uses {@link System#nanoTime}, and nothing is told apart by a time.
 */
@AnalyzeClasses(packages = "org.vlmserve", importOptions = ArchitectureTest.MainCode.class)
final class WallClockTest {

    private static final List<String> ALLOWED = List.of(
            // Deadlines and signs of life, which other machines read.
            "org.vlmserve.messaging.*",
            "org.vlmserve.stage.StageHost",
            "org.vlmserve.encoder.VisionEncoderStage",
            "org.vlmserve.gateway.chat.PlanHandler",
            "org.vlmserve.gateway.chat.AnswerStream",
            // Dates for people: of an answer, of a bundle, and in prompts whose template asks for today's.
            "org.vlmserve.gateway.chat.ChatCompletionsHandler",
            "org.vlmserve.importer.Importer",
            "org.vlmserve.families.prompt.ChatTemplate",
            // Of what keys are made, compared for equality and beside other things.
            "org.vlmserve.launcher.Models",
            "org.vlmserve.onnx.PrepackedWeights",
            // Where the system writes the start of a process down once.
            "org.vlmserve.launcher.ProcessIdentity");

    @ArchTest
    static final ArchRule nobody_else_looks_at_it = noClasses()
            .that()
            .haveNameNotMatching("(" + String.join("|", ALLOWED) + ")(\\$.*)?")
            .should()
            .callMethod(System.class, "currentTimeMillis")
            .orShould()
            .callMethod(Instant.class, "now")
            .orShould()
            .callMethod(Clock.class, "systemUTC")
            .orShould()
            .callMethod(Clock.class, "systemDefaultZone")
            .orShould()
            .callMethod(Files.class, "getLastModifiedTime", Path.class, LinkOption[].class)
            .orShould()
            .callMethod(ProcessHandle.Info.class, "startInstant");
}
