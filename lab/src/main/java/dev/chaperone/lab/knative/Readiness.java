package dev.chaperone.lab.knative;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import java.util.ArrayList;
import java.util.List;

/// What Knative says of one of its objects.
final class Readiness {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final JsonNode object;

  Readiness(GenericKubernetesResource resource) {
    this.object = JSON.valueToTree(resource);
  }

  /// Whether it is Ready as its spec now says.
  boolean isReady() {
    return object.at("/metadata/generation").asLong()
            == object.at("/status/observedGeneration").asLong()
        && conditions()
            .anyMatch(
                it ->
                    it.path("type").asText().equals("Ready")
                        && it.path("status").asText().equals("True"));
  }

  private java.util.stream.Stream<JsonNode> conditions() {
    List<JsonNode> all = new ArrayList<>();
    object.at("/status/conditions").forEach(all::add);
    return all.stream();
  }

  /// Its name, and why it is not ready.
  @Override
  public String toString() {
    List<String> reasons =
        conditions()
            .filter(it -> !it.path("status").asText().equals("True"))
            .map(
                it ->
                    "%s %s: %s %s"
                        .formatted(
                            it.path("type").asText(),
                            it.path("status").asText(),
                            it.path("reason").asText(),
                            it.path("message").asText()))
            .toList();
    return "%s %s/%s %s"
        .formatted(
            object.path("kind").asText(),
            object.at("/metadata/namespace").asText(),
            object.at("/metadata/name").asText(),
            reasons);
  }
}
