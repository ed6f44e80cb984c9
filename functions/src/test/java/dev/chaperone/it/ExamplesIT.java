package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Companion;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The very files of `knative/examples`, on a cluster that knows the kinds in them. Where
/// `examples/<name>` has the observed object in two states, the event of each change decides.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class ExamplesIT {
  private static final Path EXAMPLES =
      Path.of(System.getProperty("chaperone.home"), "knative", "examples");
  private static final Path STATES = Path.of("src/test/resources/examples");
  private static final String SAYS = "# says: ";

  private Installation chaperone;

  @AfterEach
  void nothingStays() {
    client().resources(Companion.class).inAnyNamespace().delete();
  }

  static Stream<String> all() throws IOException {
    try (Stream<Path> files = Files.list(EXAMPLES)) {
      return files
          .map(it -> it.getFileName().toString().replace(".yaml", ""))
          .sorted()
          .toList()
          .stream();
    }
  }

  static Stream<String> observing() throws IOException {
    return all().filter(it -> Files.exists(STATES.resolve(it).resolve("held.yaml")));
  }

  @ParameterizedTest
  @MethodSource("all")
  void is_admitted_and_every_expression_works(String example) {
    if (Files.isDirectory(STATES.resolve(example))) {
      define(example);
    }
    Path observed = STATES.resolve(example).resolve("allowed.yaml");
    if (Files.exists(observed)) {
      namespaces(read(EXAMPLES.resolve(example + ".yaml")));
      apply(observed);
    }
    for (Companion companion : companions(example)) {
      String namespace = companion.getMetadata().getNamespace();
      chaperone.changed("Companion", namespace, companion.getMetadata().getName());

      List<String> evaluated =
          client().resource(companion).get().getStatus().conditions().stream()
              .filter(it -> it.getType().equals("Evaluated"))
              .map(it -> it.getReason())
              .toList();
      assertThat(evaluated).allMatch(it -> it.equals("Evaluated"));
    }
  }

  @ParameterizedTest
  @MethodSource("observing")
  void holds_while_the_observed_object_is_not_well(String example) throws IOException {
    define(example);
    namespaces(read(EXAMPLES.resolve(example + ".yaml")));
    Path states = STATES.resolve(example);
    HasMetadata observed = apply(states.resolve("allowed.yaml")).getFirst();
    Companion companion = companions(example).getFirst();
    changed(observed);
    String before = disruption(companion);
    assertThat(before).startsWith("True NothingHolds");

    apply(states.resolve("held.yaml"));
    changed(observed);
    assertThat(disruption(companion)).startsWith("False ExpressionTrue ");
    assertThat(disruption(companion))
        .contains(
            Files.readAllLines(states.resolve("held.yaml")).getFirst().substring(SAYS.length()));

    apply(states.resolve("allowed.yaml"));
    changed(observed);
    assertThat(disruption(companion)).startsWith("False Settling ");
  }

  private void changed(HasMetadata object) {
    assertThat(
            chaperone
                .changed(
                    object.getKind(),
                    Objects.requireNonNullElse(object.getMetadata().getNamespace(), ""),
                    object.getMetadata().getName())
                .statusCode())
        .isIn(200, 204);
  }

  /// The example, with DaemonSets for it: they run nowhere.
  private List<Companion> companions(String example) {
    List<HasMetadata> objects = read(EXAMPLES.resolve(example + ".yaml"));
    namespaces(objects);
    apply(EXAMPLES.resolve(example + ".yaml"));
    List<Companion> companions =
        objects.stream()
            .filter(it -> it.getKind().equals("Companion"))
            .map(
                it ->
                    client()
                        .resources(Companion.class)
                        .inNamespace(it.getMetadata().getNamespace())
                        .withName(it.getMetadata().getName())
                        .get())
            .toList();
    for (Companion it : companions) {
      daemonSet(it.getMetadata().getNamespace(), it.getSpec().targetRef().name());
      if (it.getSpec().followerRef() != null) {
        daemonSet(it.getMetadata().getNamespace(), it.getSpec().followerRef().name());
      }
    }
    return companions;
  }

  private void define(String example) {
    HasMetadata crd = apply(STATES.resolve(example).resolve("crd.yaml")).getFirst();
    await("served")
        .until(() -> chaperone.lab().kubectl("get", crd.getMetadata().getName(), "-A").exit() == 0);
  }

  private void namespaces(List<HasMetadata> objects) {
    objects.stream()
        .map(it -> it.getMetadata().getNamespace())
        .filter(it -> it != null)
        .distinct()
        .forEach(
            it ->
                client()
                    .resource(
                        new NamespaceBuilder().withNewMetadata().withName(it).endMetadata().build())
                    .serverSideApply());
  }

  private void daemonSet(String namespace, String name) {
    chaperone.lab().addDaemonSet(namespace, name, "{no-such: node}");
  }

  /// `status Reason message` of DisruptionAllowed.
  private String disruption(Companion companion) {
    return client().resource(companion).get().getStatus().conditions().stream()
        .filter(it -> it.getType().equals("DisruptionAllowed"))
        .map(it -> it.getStatus() + " " + it.getReason() + " " + it.getMessage())
        .findFirst()
        .orElse("");
  }

  private List<HasMetadata> apply(Path file) {
    List<HasMetadata> objects = read(file);
    objects.forEach(
        it -> client().resource(it).fieldManager("user").forceConflicts().serverSideApply());
    return objects;
  }

  private List<HasMetadata> read(Path file) {
    try (InputStream in = Files.newInputStream(file)) {
      return client().load(in).items();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private KubernetesClient client() {
    return chaperone.lab().client();
  }
}
