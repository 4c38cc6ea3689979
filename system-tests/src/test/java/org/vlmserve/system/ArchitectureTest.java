package org.vlmserve.system;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.belongToAnyOf;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.core.importer.Location;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import org.vlmserve.media.FileFormat;

/** Who may use what. Whoever changes a rule here changes the architecture: {@code docs/architecture.md} says why. */
@AnalyzeClasses(packages = "org.vlmserve", importOptions = ArchitectureTest.MainCode.class)
final class ArchitectureTest {

    /** Neither test classes nor the jars of test classes that modules share. */
    static final class MainCode implements ImportOption {

        @Override
        public boolean includes(Location location) {
            return Predefined.DO_NOT_INCLUDE_TESTS.includes(location) && !location.contains("-tests.jar");
        }
    }

    private static final String SPRING = "org.springframework..";
    private static final String[] SERVICES = {
        "org.vlmserve.encoder..", "org.vlmserve.projector..", "org.vlmserve.decoder..", "org.vlmserve.gateway.."
    };

    @ArchTest
    static final ArchRule onnx_runtime_is_used_in_one_place = noClasses()
            .that()
            .resideOutsideOfPackage("org.vlmserve.onnx..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("ai.onnxruntime..");

    @ArchTest
    static final ArchRule kafka_clients_are_used_in_one_place = noClasses()
            .that()
            .resideOutsideOfPackage("org.vlmserve.messaging..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("org.apache.kafka..");

    @ArchTest
    static final ArchRule ffmpeg_is_used_in_one_place = noClasses()
            .that()
            .resideOutsideOfPackage("org.vlmserve.media.video..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("org.bytedeco..");

    @ArchTest
    static final ArchRule image_plug_ins_are_used_in_one_place = noClasses()
            .that()
            .resideOutsideOfPackage("org.vlmserve.media.picture..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("com.twelvemonkeys..", "javax.imageio..", "java.awt..");

    @ArchTest
    static final ArchRule media_know_the_protocol_only = noClasses()
            .that()
            .resideInAPackage("org.vlmserve.media..")
            .should()
            .dependOnClassesThat(resideInAPackage("org.vlmserve..")
                    .and(not(resideInAnyPackage("org.vlmserve.media..", "org.vlmserve.protocol.."))));

    @ArchTest
    static final ArchRule who_does_not_decode_only_tells_formats_apart = noClasses()
            .that()
            .resideInAnyPackage("org.vlmserve.gateway..", "org.vlmserve.launcher..")
            .should()
            .dependOnClassesThat(resideInAPackage("org.vlmserve.media..").and(not(belongToAnyOf(FileFormat.class))));

    @ArchTest
    static final ArchRule graphs_are_built_in_the_importer_only = noClasses()
            .that()
            .resideOutsideOfPackage("org.vlmserve.importer..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("ai.onnx.proto..");

    @ArchTest
    static final ArchRule the_protocol_knows_nobody = classes()
            .that()
            .resideInAPackage("org.vlmserve.protocol..")
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage("org.vlmserve.protocol..", "java..", "org.jspecify..");

    @ArchTest
    static final ArchRule the_common_modules_know_the_protocol_and_not_each_other = slices().matching(
                    "org.vlmserve.(messaging|onnx|families)..")
            .should()
            .notDependOnEachOther();

    @ArchTest
    static final ArchRule services_never_import_each_other = slices().matching(
                    "org.vlmserve.(encoder|projector|decoder|gateway)..")
            .should()
            .notDependOnEachOther();

    @ArchTest
    static final ArchRule nobody_imports_a_service = noClasses()
            .that()
            .resideOutsideOfPackages(SERVICES)
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(SERVICES);

    @ArchTest
    static final ArchRule no_spring_in_the_domain = noClasses()
            .that()
            .resideInAnyPackage(
                    "org.vlmserve.protocol..",
                    "org.vlmserve.messaging..",
                    "org.vlmserve.onnx..",
                    "org.vlmserve.media..",
                    "org.vlmserve.families..",
                    "org.vlmserve.importer..",
                    "org.vlmserve.launcher..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage(SPRING);

    @ArchTest
    static final ArchRule a_stage_is_a_plain_class = noClasses()
            .that()
            .resideInAnyPackage("org.vlmserve.encoder..", "org.vlmserve.projector..", "org.vlmserve.decoder..")
            .and()
            .haveSimpleNameNotEndingWith("Application")
            .and()
            .haveSimpleNameNotEndingWith("Configuration")
            .and()
            .haveSimpleNameNotEndingWith("Settings")
            .should()
            .dependOnClassesThat()
            .resideInAPackage(SPRING);

    @ArchTest
    static final ArchRule the_gateway_knows_no_family_and_no_tensor = noClasses()
            .that()
            .resideInAPackage("org.vlmserve.gateway..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("org.vlmserve.families..", "org.vlmserve.onnx..", "org.vlmserve.protocol.tensor..");

    @ArchTest
    static final ArchRule families_stay_behind_their_interface = noClasses()
            .that()
            .resideOutsideOfPackages("org.vlmserve.families..", "org.vlmserve.importer..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage(
                    "org.vlmserve.families.llava..",
                    "org.vlmserve.families.llavanext..",
                    "org.vlmserve.families.paligemma..",
                    "org.vlmserve.families.qwen2vl..");
}
