package dev.chaperone.it;

import dev.chaperone.lab.PodEviction;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/// Asks the eviction API for the guards of a scene, as drains do.
record GuardEvictions(KubernetesClient client, Scene scene) {
  static final int REFUSED = 429;

  static GuardEvictions of(Scene scene) {
    return new GuardEvictions(scene.chaperone().lab().client(), scene);
  }

  /// Guards by their controller, whatever else is labelled like them.
  List<Pod> guards() {
    return scene.guards().stream()
        .filter(pod -> !pod.getMetadata().getOwnerReferences().isEmpty())
        .toList();
  }

  /// Those that a budget can protect: the API server asks none for the others.
  List<Pod> running() {
    return guards().stream().filter(GuardEvictions::isRunning).toList();
  }

  Set<String> names() {
    return guards().stream()
        .map(pod -> pod.getMetadata().getName())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  Optional<Pod> on(String node) {
    return guards().stream().filter(pod -> node.equals(pod.getSpec().getNodeName())).findFirst();
  }

  /// What the API server answers for each running guard, by its node.
  Map<String, Integer> dryRuns() {
    return running().stream()
        .collect(Collectors.toMap(pod -> pod.getSpec().getNodeName(), this::dryRun));
  }

  /// What the API server would answer; nothing is evicted.
  int dryRun(Pod guard) {
    return PodEviction.dryRun(
        client, guard.getMetadata().getNamespace(), guard.getMetadata().getName());
  }

  int evict(Pod guard) {
    return PodEviction.evict(
        client, guard.getMetadata().getNamespace(), guard.getMetadata().getName());
  }

  /// Whether a running guard would be evicted. One that has ended or is being deleted meanwhile is
  /// no longer one.
  boolean wouldPass(Pod guard) {
    return dryRun(guard) == PodEviction.PASSED
        && Optional.ofNullable(client.resource(guard).get())
            .filter(it -> it.getMetadata().getUid().equals(guard.getMetadata().getUid()))
            .filter(GuardEvictions::isRunning)
            .isPresent();
  }

  static boolean isRunning(Pod pod) {
    return pod.getMetadata().getDeletionTimestamp() == null
        && "Running".equals(pod.getStatus().getPhase());
  }
}
