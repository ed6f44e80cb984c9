package dev.chaperone.lab;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What lab/README.md says of the lab's packages.
class NeighborhoodsTest {
  private static final String LAB = NeighborhoodsTest.class.getPackageName();

  /// The packages of the cluster, and which others of the lab each may know.
  private static final Map<String, Set<String>> CLUSTER =
      Map.of(
          "programs", Set.of(),
          "controlplane", Set.of("programs"),
          "", Set.of("programs", "controlplane"),
          "net", Set.of("programs", ""),
          "monitoring", Set.of("programs", ""),
          "autoscaler", Set.of("programs", ""),
          "knative", Set.of("programs", "controlplane", "", "net"),
          "nodes", Set.of("programs", "controlplane", "", "knative"),
          "junit", Set.of("", "knative"),
          "cli", Set.of("", "knative"));

  /// What has Chaperone's name because it is kept in its repository: packages, settings, folders.
  private static final Pattern OWN_NAMES =
      Pattern.compile(
          "dev\\.chaperone\\.lab|CHAPERONE_[A-Z]*|chaperone\\.(home|kubernetes|knative|used-rights)"
              + "|\"chaperone\\.\" \\+ name|CACHE = \"chaperone\"|\"chaperone-(lab|nodes)-?\"");

  private static final Pattern CHAPERONES =
      Pattern.compile(
          "(?i)chaperone|companion|\\bguards?\\b|(?-i)\\bHolds?\\b(?= [a-z]+:|\"|\\.)"
              + "|(knative|triggers)/(base|crds|overlays|policies)|functions/target");

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages(LAB);

  static Stream<String> clusterPackages() {
    return CLUSTER.keySet().stream();
  }

  @Test
  void every_package_of_the_lab_is_of_the_cluster_or_stands_on_it() {
    Set<String> packages =
        CLASSES.stream().map(it -> name(it.getPackageName())).collect(Collectors.toSet());

    Set<String> known = new TreeSet<>(CLUSTER.keySet());
    known.addAll(Set.of("install", "start", "demo", "bench", "release"));
    assertThat(packages).isEqualTo(known);
  }

  @ParameterizedTest
  @MethodSource("clusterPackages")
  void a_package_of_the_cluster_knows_only_those_below_it_and_nothing_of_chaperone(String name) {
    String[] known =
        Stream.concat(CLUSTER.get(name).stream(), Stream.of(name))
            .map(NeighborhoodsTest::whole)
            .toArray(String[]::new);

    noClasses()
        .that()
        .resideInAPackage(whole(name))
        .should()
        .dependOnClassesThat(
            resideInAnyPackage("dev.chaperone..").and(not(resideInAnyPackage(known))))
        .check(CLASSES);
  }

  @Test
  void the_packages_of_the_lab_have_no_cycles() {
    slices().assignedFrom(packages()).should().beFreeOfCycles().check(CLASSES);
  }

  @Test
  void no_text_of_the_cluster_names_what_is_chaperone_s() throws IOException {
    for (String name : CLUSTER.keySet()) {
      for (Path file : files(name)) {
        assertThat(OWN_NAMES.matcher(Files.readString(file)).replaceAll("").lines())
            .as(file.toString())
            .noneMatch(line -> CHAPERONES.matcher(line).find());
      }
    }
  }

  private static List<Path> files(String name) throws IOException {
    Path sources = Path.of(System.getProperty("chaperone.home"), "lab/src/main");
    Path folder = Path.of("dev/chaperone/lab", name);
    try (Stream<Path> java = Files.list(sources.resolve("java").resolve(folder));
        Stream<Path> resources =
            Files.walk(sources.resolve("resources").resolve("dev/chaperone/lab"))) {
      List<Path> all =
          Stream.concat(java, resources.filter(it -> it.getParent().endsWith(folder)))
              .filter(Files::isRegularFile)
              .toList();
      assertThat(all).as("files of " + folder).isNotEmpty();
      return all;
    }
  }

  private static String whole(String name) {
    return name.isEmpty() ? LAB : LAB + "." + name;
  }

  private static String name(String whole) {
    return whole.equals(LAB) ? "" : whole.substring(LAB.length() + 1);
  }

  private static SliceAssignment packages() {
    return new SliceAssignment() {
      @Override
      public SliceIdentifier getIdentifierOf(JavaClass it) {
        return it.getPackageName().startsWith(LAB)
            ? SliceIdentifier.of(it.getPackageName())
            : SliceIdentifier.ignore();
      }

      @Override
      public String getDescription() {
        return "packages";
      }
    };
  }
}
