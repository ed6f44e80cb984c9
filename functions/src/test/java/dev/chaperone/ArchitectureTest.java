package dev.chaperone;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaCall.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.type;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.core.domain.properties.HasOwner.Predicates.With.owner;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import dev.chaperone.cluster.Access;
import dev.chaperone.cluster.ClusterWriter;
import dev.chaperone.telemetry.ApiCalls;
import dev.chaperone.telemetry.Metrics;
import io.fabric8.kubernetes.client.CustomResource;
import io.quarkus.funqy.Funq;
import java.time.Clock;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZonedDateTime;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// What ARCHITECTURE.md says of the floors.
class ArchitectureTest {
  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages(
              Stream.of("api", "decide", "signature", "telemetry", "cluster", "functions", "page")
                  .map("dev.chaperone."::concat)
                  .toList());

  @Test
  void each_floor_knows_only_those_below() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .layer("functions")
        .definedBy("dev.chaperone.functions..")
        .layer("page")
        .definedBy("dev.chaperone.page..")
        .layer("cluster")
        .definedBy("dev.chaperone.cluster..")
        .layer("decide")
        .definedBy("dev.chaperone.decide..")
        .layer("api")
        .definedBy("dev.chaperone.api..")
        .layer("telemetry")
        .definedBy("dev.chaperone.telemetry..")
        .layer("signature")
        .definedBy("dev.chaperone.signature..")
        .whereLayer("functions")
        .mayNotBeAccessedByAnyLayer()
        .whereLayer("page")
        .mayNotBeAccessedByAnyLayer()
        .whereLayer("cluster")
        .mayOnlyBeAccessedByLayers("functions", "page")
        .whereLayer("decide")
        .mayOnlyBeAccessedByLayers("functions", "page", "cluster", "telemetry")
        .whereLayer("api")
        .mayOnlyBeAccessedByLayers("functions", "page", "cluster", "decide", "signature")
        .whereLayer("signature")
        .mayOnlyBeAccessedByLayers("functions")
        .whereLayer("telemetry")
        .mayOnlyBeAccessedByLayers("functions", "cluster")
        .check(CLASSES);
  }

  @Test
  void decisions_know_no_client_framework_or_logger() {
    noClasses()
        .that()
        .resideInAPackage("dev.chaperone.decide..")
        .should()
        .dependOnClassesThat(
            resideInAnyPackage(
                "io.fabric8.kubernetes.client..",
                "io.quarkus..",
                "jakarta..",
                "org.jboss.logging..",
                "java.util.logging..",
                "org.slf4j.."))
        .check(CLASSES);
  }

  @Test
  void decisions_have_no_clock() {
    noClasses()
        .that()
        .resideInAPackage("dev.chaperone.decide..")
        .should()
        .callMethodWhere(target(nameMatching("now")).and(target(owner(isTime()))))
        .orShould()
        .dependOnClassesThat()
        .areAssignableTo(Clock.class)
        .check(CLASSES);
  }

  /// Each can be read with those below it alone. Nested classes count as part of what they are in.
  @Test
  void decisions_have_no_cycles_of_classes() {
    slices().assignedFrom(topLevelClassesOfDecide()).should().beFreeOfCycles().check(CLASSES);
  }

  /// It may be every node, and what came of many Companions is kept until the last of them is
  /// looked at.
  @Test
  void what_came_of_a_look_keeps_nothing_that_was_read() {
    noClasses()
        .that()
        .haveNameMatching(".*\\.(Reconciler\\$(Outcome|Result(\\$Seen)?)|Decision\\$Summary)")
        .should()
        .dependOnClassesThat()
        .haveNameMatching(".*\\.(Snapshot|Survey|Roster|Decision|Decision\\$Report)")
        .check(CLASSES);
  }

  /// What is created to be answered at once, a review of a token or of a right, is a question.
  @Test
  void only_the_writer_writes() {
    noClasses()
        .that()
        .doNotBelongToAnyOf(ClusterWriter.class, Access.class)
        .should()
        .callMethodWhere(
            target(
                    nameMatching(
                        "create|createOrReplace|update|updateStatus|patch|patchStatus|replace|replaceStatus|delete|edit|editStatus|serverSideApply|evict"))
                .and(target(owner(resideInAPackage("io.fabric8.kubernetes.client..")))))
        .check(CLASSES);
  }

  @Test
  void only_the_cluster_asks_the_api_server() {
    noClasses()
        .that()
        .resideOutsideOfPackage("dev.chaperone.cluster..")
        .and()
        // Listens to the client's calls.
        .doNotBelongToAnyOf(ApiCalls.class)
        .should()
        .dependOnClassesThat(
            resideInAPackage("io.fabric8.kubernetes.client..").and(not(type(CustomResource.class))))
        .check(CLASSES);
  }

  /// So nothing of it is loaded for an event without a signature.
  @Test
  void signatures_are_known_to_one_class() {
    noClasses()
        .that()
        .resideOutsideOfPackage("dev.chaperone.signature..")
        .and(not(nameMatching("dev[.]chaperone[.]functions[.]Signatures([$].*)?")))
        .should()
        .dependOnClassesThat(
            resideInAnyPackage("dev.chaperone.signature..", "org.jose4j..", "org.erdtman.."))
        .check(CLASSES);
  }

  @Test
  void what_can_be_counted_is_counted_somewhere() {
    methods()
        .that()
        .areDeclaredIn(Metrics.class)
        .and()
        .areNotPrivate()
        .should(
            ArchCondition.from(
                DescribedPredicate.describe("be called", it -> !it.getAccessesToSelf().isEmpty())))
        .check(CLASSES);
  }

  @Test
  void events_are_answered_by_functions_only() {
    methods()
        .that()
        .areAnnotatedWith(Funq.class)
        .should()
        .beDeclaredInClassesThat()
        .resideInAPackage("dev.chaperone.functions")
        .check(CLASSES);
  }

  private static SliceAssignment topLevelClassesOfDecide() {
    return new SliceAssignment() {
      @Override
      public SliceIdentifier getIdentifierOf(JavaClass type) {
        if (!type.getPackageName().equals("dev.chaperone.decide")) {
          return SliceIdentifier.ignore();
        }
        JavaClass outer = type;
        while (outer.getEnclosingClass().isPresent()) {
          outer = outer.getEnclosingClass().get();
        }
        return SliceIdentifier.of(outer.getSimpleName());
      }

      @Override
      public String getDescription() {
        return "classes of decide";
      }
    };
  }

  private static DescribedPredicate<JavaClass> isTime() {
    return JavaClass.Predicates.belongToAnyOf(
        Instant.class, ZonedDateTime.class, OffsetDateTime.class);
  }
}
