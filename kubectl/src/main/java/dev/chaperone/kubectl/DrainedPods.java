package dev.chaperone.kubectl;

import dev.chaperone.decide.Made;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodStatus;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Which pods of a node a drain has to evict.
final class DrainedPods {
  private static final String MIRROR = "kubernetes.io/config.mirror";

  private DrainedPods() {}

  /// Those that `kubectl drain --ignore-daemonsets` evicts, sorted: not what a DaemonSet or the
  /// kubelet itself keeps on the node.
  static List<Pod> of(List<Pod> podsOfNode) {
    return podsOfNode.stream()
        .filter(pod -> !isOfDaemonSet(pod))
        .filter(pod -> !isMirror(pod))
        .sorted(Comparator.comparing(DrainedPods::name))
        .toList();
  }

  static String name(Pod pod) {
    return pod.getMetadata().getNamespace() + "/" + pod.getMetadata().getName();
  }

  /// Whether it looks like a guard, which some Companion may count on.
  static boolean isGuard(Pod pod) {
    return labels(pod).entrySet().containsAll(Made.GUARD.entrySet());
  }

  static Map<String, String> labels(Pod pod) {
    return Optional.ofNullable(pod.getMetadata().getLabels()).orElse(Map.of());
  }

  /// Whether a budget counts it as one that must not go: a pod that is not ready is no loss.
  static boolean isReady(Pod pod) {
    return pod.getMetadata().getDeletionTimestamp() == null
        && Optional.ofNullable(pod.getStatus())
            .map(PodStatus::getConditions)
            .orElse(List.of())
            .stream()
            .anyMatch(it -> "Ready".equals(it.getType()) && "True".equals(it.getStatus()));
  }

  private static boolean isOfDaemonSet(Pod pod) {
    return pod.getMetadata().getOwnerReferences().stream()
        .anyMatch(
            owner ->
                Boolean.TRUE.equals(owner.getController()) && "DaemonSet".equals(owner.getKind()));
  }

  private static boolean isMirror(Pod pod) {
    return Optional.ofNullable(pod.getMetadata().getAnnotations())
        .filter(it -> it.containsKey(MIRROR))
        .isPresent();
  }
}
