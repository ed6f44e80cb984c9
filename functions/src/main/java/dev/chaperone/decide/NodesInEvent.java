package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.DrainedNodes;
import dev.chaperone.api.CompanionStatus.NodeMaintenance;
import dev.chaperone.api.CompanionStatus.UnguardedNode;
import io.fabric8.kubernetes.api.model.Pod;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;

/// Nodes that events are about, and who is on them. A hint where to look, nothing more: where the
/// target starts on a node, or no longer runs there, its DaemonSet counts other nodes than before,
/// which is an event of its own.
///
/// @param pods of the namespaces of Companions and targets, on these nodes
public record NodesInEvent(Set<String> names, List<Pod> pods) {

  /// Whether the Companion may have to change because of these nodes: its guard or a pod of its
  /// target is there, its status names one of them, or it observes one.
  public boolean concerns(Companion companion) {
    return pods.stream().anyMatch(pod -> isGuard(pod, companion) || isOfTarget(pod, companion))
        || told(companion).anyMatch(names::contains)
        || names.stream()
            .anyMatch(name -> new ObjectRef(ObjectRef.NODE, "", name).concerns(companion));
  }

  private static boolean isGuard(Pod pod, Companion companion) {
    return Made.companion(pod).filter(CompanionRef.of(companion)::equals).isPresent();
  }

  private static boolean isOfTarget(Pod pod, Companion companion) {
    return Snapshot.targetNamespace(companion).equals(pod.getMetadata().getNamespace())
        && pod.getMetadata().getOwnerReferences().stream()
            .anyMatch(
                owner ->
                    "DaemonSet".equals(owner.getKind())
                        && companion.getSpec().targetRef().name().equals(owner.getName()));
  }

  /// Every node that the status names.
  private static Stream<String> told(Companion companion) {
    CompanionStatus status =
        Objects.requireNonNullElse(companion.getStatus(), CompanionStatus.NONE);
    return Stream.of(
            Stream.ofNullable(status.blockedNodes()),
            Stream.ofNullable(status.unguardedNodes()).map(it -> names(it, UnguardedNode::name)),
            Stream.ofNullable(status.drainedNodes()).map(DrainedNodes::nodes),
            Stream.ofNullable(status.taintedNodes()),
            Stream.ofNullable(status.heldNodes()),
            Stream.ofNullable(status.maintenance()).map(it -> names(it, NodeMaintenance::node)))
        .flatMap(it -> it)
        .flatMap(Collection::stream);
  }

  private static <T> List<String> names(List<T> nodes, Function<T, String> name) {
    return nodes.stream().map(name).toList();
  }
}
