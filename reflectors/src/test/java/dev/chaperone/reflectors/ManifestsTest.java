package dev.chaperone.reflectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.client.utils.Serialization;
import io.quarkus.funqy.knative.events.CloudEventMapping;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// That the manifests are whole, and that Triggers, Service and functions agree.
class ManifestsTest {
  private static final Path FOLDER =
      Path.of(System.getProperty("chaperone.home"), "reflectors", "manifests");

  @Test
  void every_file_is_installed() throws IOException {
    try (Stream<Path> files = Files.list(FOLDER)) {
      Map<?, ?> kustomization =
          Serialization.unmarshal(
              Files.readString(FOLDER.resolve("kustomization.yaml")), Map.class);

      assertThat(files.map(it -> it.getFileName().toString()))
          .filteredOn(it -> !it.equals("kustomization.yaml"))
          .containsExactlyInAnyOrderElementsOf(strings(kustomization.get("resources")));
    }
  }

  @Test
  void every_type_that_a_trigger_lets_through_has_a_function_and_each_function_has_one()
      throws IOException {
    Set<String> functions = new TreeSet<>();
    for (var method : KeepTopology.class.getMethods()) {
      CloudEventMapping mapping = method.getAnnotation(CloudEventMapping.class);
      if (mapping != null) {
        functions.add(mapping.trigger());
      }
    }
    Set<String> delivered = new TreeSet<>();
    for (GenericKubernetesResource trigger : read("triggers.yaml")) {
      if (trigger.get("spec", "subscriber", "ref", "name").equals("reflectors")) {
        String filters = Serialization.asJson(trigger.get("spec", "filters"));
        functions.stream()
            .filter(
                type ->
                    filters.contains("\"type\":\"" + type + "\"")
                        || (filters.contains("\"prefix\"")
                            && type.startsWith("dev.knative.apiserver.ref.")))
            .forEach(delivered::add);
      }
    }

    assertThat(delivered).isEqualTo(functions).hasSize(4);
  }

  @Test
  void the_plural_is_what_knative_takes_it_for() {
    // meta.UnsafeGuessKindToResource of apimachinery, which the real source calls; the lab's asks.
    assertThat(HasMetadata.getKind(RouteReflectors.class)).endsWith("s");
    assertThat(HasMetadata.getPlural(RouteReflectors.class))
        .isEqualTo(HasMetadata.getSingular(RouteReflectors.class) + "es")
        .isEqualTo("routereflectorses");
  }

  @Test
  void the_service_runs_with_the_account_that_has_the_rights() throws IOException {
    GenericKubernetesResource service = read("service.yaml").getFirst();
    String account = service.get("spec", "template", "spec", "serviceAccountName");

    assertThat(read("rbac.yaml"))
        .anyMatch(
            it ->
                it.getKind().equals("ServiceAccount")
                    && it.getMetadata().getName().equals(account)
                    && it.getMetadata()
                        .getNamespace()
                        .equals(service.getMetadata().getNamespace()));
  }

  private static List<GenericKubernetesResource> read(String file) throws IOException {
    return Stream.of(Files.readString(FOLDER.resolve(file)).split("(?m)^---$", -1))
        .map(it -> Serialization.unmarshal(it, GenericKubernetesResource.class))
        .toList();
  }

  private static List<String> strings(Object list) {
    return ((List<?>) list).stream().map(String::valueOf).toList();
  }
}
