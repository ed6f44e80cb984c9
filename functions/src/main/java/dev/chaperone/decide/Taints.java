package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeSpec;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.Toleration;
import io.fabric8.kubernetes.api.model.TolerationBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Which taints a guard lives with, and which say that a node is being emptied.
final class Taints {
  private static final String NO_SCHEDULE = "NoSchedule";
  private static final String NO_EXECUTE = "NoExecute";

  /// Set on a node that is being drained. A guard that tolerated one of these would not be evicted,
  /// or would come back at once, and either way the hold would be worth nothing.
  static final Set<String> DRAINING =
      Set.of(
          "node.kubernetes.io/unschedulable",
          "ToBeDeletedByClusterAutoscaler",
          "karpenter.sh/disrupted",
          "karpenter.sh/disruption");

  private static final Set<String> NOT_READY =
      Set.of("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable");

  /// Of what the DaemonSet controller lets every pod that it makes tolerate: all but
  /// `unschedulable`.
  private static final List<Toleration> ALWAYS_TOLERATED =
      List.of(
          exists("node.kubernetes.io/not-ready", NO_EXECUTE),
          exists("node.kubernetes.io/unreachable", NO_EXECUTE),
          exists("node.kubernetes.io/disk-pressure", NO_SCHEDULE),
          exists("node.kubernetes.io/memory-pressure", NO_SCHEDULE),
          exists("node.kubernetes.io/pid-pressure", NO_SCHEDULE));

  private Taints() {}

  /// What a guard tolerates: the NoExecute taints that the target's pods tolerate, and node
  /// pressure as they do, because a kubelet refuses a pod without requests that does not. Other
  /// NoSchedule taints do not matter to a pod that is bound past the scheduler, and tolerating an
  /// autoscaler's would take the guard out of its reach.
  static List<Toleration> guardTolerations(DaemonSet target) {
    List<Toleration> tolerations = new ArrayList<>(ALWAYS_TOLERATED);
    templateTolerations(target).stream()
        .filter(toleration -> !isDraining(toleration.getKey()))
        .filter(toleration -> isFor(toleration, NO_EXECUTE))
        .map(toleration -> new TolerationBuilder(toleration).withEffect(NO_EXECUTE).build())
        .filter(toleration -> !tolerations.contains(toleration))
        .forEach(tolerations::add);
    return tolerations;
  }

  /// The taint because of which no guard may be put on the node: the node is being emptied, or the
  /// guard would be evicted at once. Empty if there is none.
  static Optional<String> refusal(Node node, DaemonSet target) {
    List<Toleration> tolerations = targetTolerations(target);
    return of(node).stream()
        .filter(
            taint ->
                isDraining(taint.getKey())
                    || (NO_EXECUTE.equals(taint.getEffect()) && !isTolerated(taint, tolerations)))
        .map(taint -> taint.getKey() + ":" + taint.getEffect())
        .findFirst();
  }

  /// Whether an autoscaler empties the node.
  static boolean isDraining(Node node) {
    return of(node).stream().anyMatch(taint -> isDraining(taint.getKey()));
  }

  /// Whether the node lifecycle controller says that the node's kubelet is not there, or not ready.
  static boolean isNotReady(Node node) {
    return of(node).stream().anyMatch(taint -> NOT_READY.contains(taint.getKey()));
  }

  /// Whether the node has a taint that keeps new pods of the target away, while those that were
  /// there before run on.
  static boolean isForeign(Node node, DaemonSet target) {
    List<Toleration> tolerations = targetTolerations(target);
    return of(node).stream()
        .filter(taint -> NO_SCHEDULE.equals(taint.getEffect()))
        .anyMatch(taint -> !isTolerated(taint, tolerations));
  }

  private static boolean isTolerated(Taint taint, List<Toleration> tolerations) {
    return tolerations.stream().anyMatch(toleration -> tolerates(toleration, taint));
  }

  /// The taints of a node.
  static List<Taint> of(Node node) {
    return Optional.ofNullable(node.getSpec()).map(NodeSpec::getTaints).orElse(List.of());
  }

  private static List<Toleration> targetTolerations(DaemonSet target) {
    return Stream.concat(templateTolerations(target).stream(), daemonSetTolerations(target))
        .toList();
  }

  /// What the DaemonSet controller adds to every pod it makes (AddOrUpdateDaemonPodTolerations in
  /// Kubernetes).
  private static Stream<Toleration> daemonSetTolerations(DaemonSet target) {
    Stream<Toleration> hostNetwork =
        Boolean.TRUE.equals(podSpec(target).getHostNetwork())
            ? Stream.of(exists("node.kubernetes.io/network-unavailable", NO_SCHEDULE))
            : Stream.of();
    return Stream.concat(
        Stream.concat(ALWAYS_TOLERATED.stream(), hostNetwork),
        Stream.of(exists("node.kubernetes.io/unschedulable", NO_SCHEDULE)));
  }

  private static boolean tolerates(Toleration toleration, Taint taint) {
    boolean anyKey = isEmpty(toleration.getKey());
    boolean sameKey = anyKey || Objects.equals(toleration.getKey(), taint.getKey());
    boolean sameValue =
        "Exists".equals(toleration.getOperator())
            || Objects.equals(orEmpty(toleration.getValue()), orEmpty(taint.getValue()));
    return sameKey && sameValue && isFor(toleration, taint.getEffect());
  }

  private static boolean isFor(Toleration toleration, String effect) {
    return isEmpty(toleration.getEffect()) || toleration.getEffect().equals(effect);
  }

  /// Whether a taint of this key says that an autoscaler or a drain empties the node.
  static boolean isDraining(@Nullable String key) {
    return key != null && DRAINING.contains(key);
  }

  private static Toleration exists(String key, String effect) {
    return new TolerationBuilder().withKey(key).withOperator("Exists").withEffect(effect).build();
  }

  private static List<Toleration> templateTolerations(DaemonSet target) {
    List<Toleration> tolerations = podSpec(target).getTolerations();
    return tolerations == null ? List.of() : tolerations;
  }

  private static PodSpec podSpec(DaemonSet target) {
    return target.getSpec().getTemplate().getSpec();
  }

  private static boolean isEmpty(@Nullable String text) {
    return text == null || text.isEmpty();
  }

  private static String orEmpty(@Nullable String text) {
    return text == null ? "" : text;
  }
}
