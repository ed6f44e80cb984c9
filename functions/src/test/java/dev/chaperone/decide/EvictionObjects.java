package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// Evictions of `lifecycle.k8s.io`, as their controller makes them.
final class EvictionObjects {
  private static final String EVICTOR = "imperative-eviction.k8s.io/evictor";

  private EvictionObjects() {}

  /// Of this pod, and whose turn it is since then.
  static GenericKubernetesResource active(Pod pod, String since) {
    return of(
        pod,
        "Active",
        List.of(Map.of("name", EVICTOR), Map.of("name", Evictions.RESPONDER, "startTime", since)));
  }

  /// In another state.
  static GenericKubernetesResource in(String state, Pod pod) {
    return of(pod, state, List.of(Map.of("name", EVICTOR), Map.of("name", Evictions.RESPONDER)));
  }

  private static GenericKubernetesResource of(
      Pod pod, String state, List<Map<String, Object>> responders) {
    GenericKubernetesResource eviction = new GenericKubernetesResource();
    eviction.setApiVersion("lifecycle.k8s.io/v1alpha1");
    eviction.setKind("Eviction");
    eviction.setMetadata(
        new ObjectMetaBuilder()
            .withNamespace(pod.getMetadata().getNamespace())
            .withName("pod-1-" + pod.getMetadata().getName())
            .withResourceVersion("1")
            .build());
    eviction.setAdditionalProperty(
        "spec",
        Map.of(
            "target",
            Map.of(
                "pod",
                Map.of("name", pod.getMetadata().getName(), "uid", pod.getMetadata().getUid()))));
    eviction.setAdditionalProperty(
        "status",
        Map.of(
            "targetResponders",
            List.of(
                Map.of("name", EVICTOR, "priority", 100, "state", "Inactive"),
                Map.of("name", Evictions.RESPONDER, "priority", 10000, "state", state)),
            "responders",
            responders));
    return eviction;
  }

  /// The same with another entry, as far as the API would have it.
  static GenericKubernetesResource with(
      GenericKubernetesResource eviction, int index, Map<String, Object> entry) {
    List<Map<String, Object>> entries = new ArrayList<>(entries(eviction));
    Map<String, Object> before = entries.set(index, entry);
    assertThat(before.get("name")).isEqualTo(entry.get("name"));
    assertThat(before.get("startTime")).isNotNull().isEqualTo(entry.get("startTime"));
    assertThat(before.get("completionTime")).isNull();
    assertThat(entry).containsKey("message");
    GenericKubernetesResource next = new GenericKubernetesResource();
    next.setApiVersion(eviction.getApiVersion());
    next.setKind(eviction.getKind());
    next.setMetadata(eviction.getMetadata());
    next.setAdditionalProperty("spec", eviction.getAdditionalProperties().get("spec"));
    next.setAdditionalProperty(
        "status",
        Map.of(
            "targetResponders", eviction.get("status", "targetResponders"), "responders", entries));
    return next;
  }

  /// What its responder says.
  static Map<String, Object> answer(GenericKubernetesResource eviction) {
    return entries(eviction).stream()
        .filter(it -> Evictions.RESPONDER.equals(it.get("name")))
        .findFirst()
        .orElseThrow();
  }

  private static List<Map<String, Object>> entries(GenericKubernetesResource eviction) {
    return eviction.get("status", "responders");
  }
}
