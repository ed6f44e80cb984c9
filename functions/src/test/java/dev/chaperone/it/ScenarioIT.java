package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// One event each, on a cluster with the objects of `in-*.yaml`. Afterwards there is what
/// `out-*.yaml` says, where lists may have more items and objects more fields, and nothing of
/// `absent-*.yaml`; and the same event again writes nothing.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class ScenarioIT {
  private static final Path FOLDER = Path.of("src/test/resources/scenarios");
  private static final Pattern BETWEEN_DOCUMENTS = Pattern.compile("(?m)^---$");
  private static final ObjectMapper JSON = new ObjectMapper();

  private Installation chaperone;

  static Stream<String> scenarios() throws IOException {
    try (Stream<Path> folders = Files.list(FOLDER)) {
      return folders.map(folder -> folder.getFileName().toString()).sorted().toList().stream();
    }
  }

  @ParameterizedTest
  @MethodSource("scenarios")
  void ends_as_it_should(String scenario) throws IOException {
    try (Scene scene = new Scene(chaperone, scenario, 0)) {
      read(scenario, "in-").forEach(this::put);
      awaitCounted(scene);
      String event = Files.readString(FOLDER.resolve(scenario).resolve("event.json"));

      assertThat(post(event).statusCode()).isIn(200, 204);
      await("an event that writes nothing")
          .atMost(Scene.LONG)
          .until(
              () -> {
                int before = chaperone.writes().size();
                return post(event).statusCode() == 204 && chaperone.writes().size() == before;
              });

      new Truth(client(), scene.name).require();
      read(scenario, "out-").forEach(this::assertThere);
      read(scenario, "absent-").forEach(unwanted -> assertThat(live(unwanted)).isNull());
    }
  }

  private void put(GenericKubernetesResource object) {
    if (object.getKind().equals("Node")) {
      chaperone.lab().addNode(object.getMetadata().getName(), object.getMetadata().getLabels());
    } else {
      client().resource(object).fieldManager("user").serverSideApply();
    }
  }

  /// What the DaemonSet controller counts is an input too.
  private void awaitCounted(Scene scene) {
    int nodes = client().nodes().withLabel("pool", scene.name).list().getItems().size();
    await("the DaemonSet controller")
        .atMost(Scene.LONG)
        .until(
            () ->
                client().apps().daemonSets().inNamespace(scene.name).list().getItems().stream()
                    .allMatch(it -> isCounted(it, nodes)));
  }

  private static boolean isCounted(DaemonSet daemonSet, int nodes) {
    return daemonSet.getStatus() != null
        && daemonSet
            .getMetadata()
            .getGeneration()
            .equals(daemonSet.getStatus().getObservedGeneration())
        && (nodes == 0 || daemonSet.getStatus().getDesiredNumberScheduled() == nodes);
  }

  private void assertThere(GenericKubernetesResource wanted) {
    GenericKubernetesResource actual = live(wanted);
    assertThat(actual).as("%s %s", wanted.getKind(), wanted.getMetadata().getName()).isNotNull();
    List<String> missing = new ArrayList<>();
    compare(wanted.getKind(), JSON.valueToTree(actual), JSON.valueToTree(wanted), missing);
    assertThat(missing).as("%s", JSON.valueToTree(actual).toPrettyString()).isEmpty();
  }

  private GenericKubernetesResource live(GenericKubernetesResource object) {
    return client()
        .genericKubernetesResources(object.getApiVersion(), object.getKind())
        .inNamespace(object.getMetadata().getNamespace())
        .withName(object.getMetadata().getName())
        .get();
  }

  /// Notes each path at which `actual` lacks what is wanted.
  private static void compare(String path, JsonNode actual, JsonNode wanted, List<String> missing) {
    if (wanted.isObject()) {
      wanted
          .properties()
          .forEach(
              field ->
                  compare(
                      path + "." + field.getKey(),
                      actual.path(field.getKey()),
                      field.getValue(),
                      missing));
    } else if (wanted.isArray()) {
      for (JsonNode item : wanted) {
        boolean found =
            StreamSupport.stream(actual.spliterator(), false)
                .anyMatch(
                    it -> {
                      List<String> differences = new ArrayList<>();
                      compare("", it, item, differences);
                      return differences.isEmpty();
                    });
        if (!found) {
          missing.add(path + " has no " + item);
        }
      }
      if (wanted.isEmpty() && !actual.isEmpty()) {
        missing.add(path + " is not empty");
      }
    } else if (!actual.equals(wanted)) {
      missing.add(path + " is " + actual + " and not " + wanted);
    }
  }

  private HttpResponse<String> post(String event) {
    return chaperone.post(
        HttpRequest.newBuilder(chaperone.functions())
            .header("content-type", "application/cloudevents+json")
            .POST(BodyPublishers.ofString(event)));
  }

  private List<GenericKubernetesResource> read(String scenario, String prefix) {
    try (Stream<Path> files = Files.list(FOLDER.resolve(scenario))) {
      return files
          .filter(file -> file.getFileName().toString().startsWith(prefix))
          .sorted()
          .flatMap(this::load)
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Stream<GenericKubernetesResource> load(Path file) {
    try {
      return BETWEEN_DOCUMENTS
          .splitAsStream(Files.readString(file))
          .map(
              yaml ->
                  client()
                      .getKubernetesSerialization()
                      .unmarshal(yaml, GenericKubernetesResource.class));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private KubernetesClient client() {
    return chaperone.lab().client();
  }
}
