package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.Pod;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/// Who is where: nodes, the target's pods and the guards on them.
///
/// @param complete whether it covers every node; if not, it covers the cordoned ones and those that
///     are said to be gone
/// @param nodes those of them that exist
public record Roster(boolean complete, List<Node> nodes, List<Pod> targetPods, List<Pod> guards) {

  /// Nothing is known.
  public static final Roster NONE = new Roster(false, List.of(), List.of(), List.of());

  private static final String FAILED = "Failed";

  /// Cordoned nodes, by name, sorted.
  List<Node> cordoned() {
    return nodes.stream()
        .filter(Roster::isCordoned)
        .sorted(Comparator.comparing(node -> node.getMetadata().getName()))
        .toList();
  }

  /// Cordoned nodes that run a target pod and have lost their guard, sorted: each keeps one guard
  /// waiting.
  List<String> drainedNodes() {
    Set<String> running = nodesOf(targetPods);
    Set<String> guarded = guardedNodes();
    return cordoned().stream()
        .map(node -> node.getMetadata().getName())
        .filter(node -> running.contains(node) && !guarded.contains(node))
        .toList();
  }

  Set<String> guardedNodes() {
    return nodesOf(livingGuards());
  }

  /// Nodes that run a target pod and have no guard at all.
  Set<String> unguardedNodes() {
    return without(guardedNodes());
  }

  /// Nodes that run a target pod and have no guard of the same revision as this one, so that in a
  /// rollout of the guards each node gets its new one before it loses the old.
  Set<String> nodesFor(Pod waiting) {
    return without(
        nodesOf(
            livingGuards().stream()
                .filter(pod -> revision(pod).equals(revision(waiting)))
                .toList()));
  }

  private Set<String> without(Set<String> guarded) {
    return nodesOf(targetPods.stream().filter(pod -> !isTerminating(pod)).toList()).stream()
        .filter(node -> !guarded.contains(node))
        .collect(Collectors.toSet());
  }

  static String revision(Pod guard) {
    Map<String, String> labels = guard.getMetadata().getLabels();
    return labels == null ? "" : labels.getOrDefault("pod-template-hash", "");
  }

  /// Guards that a kubelet refused.
  List<Pod> refused() {
    return guards.stream().filter(pod -> FAILED.equals(phase(pod))).toList();
  }

  /// Guards of nodes that no longer exist. Kubernetes itself clears those away up to a minute
  /// later.
  List<Pod> vanished() {
    Set<String> known =
        nodes.stream().map(node -> node.getMetadata().getName()).collect(Collectors.toSet());
    return livingGuards().stream().filter(pod -> !known.contains(nodeOf(pod))).toList();
  }

  /// Guards beside an older guard of the same node and revision.
  List<Pod> doubled() {
    Set<String> seen = new HashSet<>();
    return livingGuards().stream()
        .sorted(Comparator.comparing(pod -> pod.getMetadata().getCreationTimestamp()))
        .filter(pod -> !seen.add(nodeOf(pod) + " " + revision(pod)))
        .toList();
  }

  /// Guards of nodes that run no target pod. A target pod that is being replaced still counts.
  List<Pod> idle() {
    Set<String> running = nodesOf(targetPods);
    return livingGuards().stream().filter(pod -> !running.contains(nodeOf(pod))).toList();
  }

  static boolean isCordoned(Node node) {
    return node.getSpec() != null && Boolean.TRUE.equals(node.getSpec().getUnschedulable());
  }

  private List<Pod> livingGuards() {
    return guards.stream()
        .filter(pod -> pod.getSpec().getNodeName() != null && !isTerminating(pod))
        .filter(pod -> !FAILED.equals(phase(pod)))
        .toList();
  }

  private static Set<String> nodesOf(Collection<Pod> pods) {
    return pods.stream()
        .filter(pod -> pod.getSpec().getNodeName() != null)
        .map(Roster::nodeOf)
        .collect(Collectors.toSet());
  }

  static String nodeOf(Pod pod) {
    return pod.getSpec().getNodeName();
  }

  static boolean isTerminating(Pod pod) {
    ObjectMeta metadata = pod.getMetadata();
    return metadata.getDeletionTimestamp() != null;
  }

  private static String phase(Pod pod) {
    return pod.getStatus() == null || pod.getStatus().getPhase() == null
        ? ""
        : pod.getStatus().getPhase();
  }
}
