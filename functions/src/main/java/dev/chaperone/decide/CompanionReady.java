package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.NodeConditionType;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.api.model.NodeConditionBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/// The condition of a node that says whether followers are ready there: True when that is so of all
/// Companions that ask for it and whose target or follower has a pod there. A node that none of
/// them is about has no such condition.
///
/// It is one for all of them, so that one rule can wait for it; its message names those that are
/// not ready.
///
/// @param asking every Companion that asks for it
/// @param nodes every node, read before the pods: what somebody writes meanwhile is not overwritten
public record CompanionReady(List<Asking> asking, List<Node> nodes) {
  public static final String CONDITION = "chaperone.dev/CompanionReady";

  /// So many nodes are written with one look, within the time that it has; the next writes the
  /// rest.
  private static final int MAX_NODES = 1000;

  /// A Companion that asks for it.
  ///
  /// @param gaps for each node that it is about why the follower is not ready there; empty: it is
  public record Asking(CompanionRef companion, Map<String, String> gaps) {

    /// The same, by the pods that there are.
    ///
    /// @param target pods of the target; none where it is not known
    /// @param follower pods of the follower
    public static Asking of(CompanionRef companion, List<Pod> target, List<Pod> follower) {
      Map<String, String> gaps = new HashMap<>();
      living(target).forEach(pod -> gaps.put(Roster.nodeOf(pod), "no pod of the follower"));
      living(follower)
          .filter(pod -> !Roster.isReady(pod))
          .forEach(
              pod ->
                  gaps.put(
                      Roster.nodeOf(pod),
                      "pod %s is not ready".formatted(pod.getMetadata().getName())));
      living(follower).filter(Roster::isReady).forEach(pod -> gaps.put(Roster.nodeOf(pod), ""));
      return new Asking(companion, gaps);
    }

    private static Stream<Pod> living(List<Pod> pods) {
      return pods.stream()
          .filter(pod -> Roster.nodeOf(pod) != null)
          .filter(pod -> !Roster.isTerminating(pod) && !Roster.isEnded(pod));
    }
  }

  /// Whether the Companion asks for it.
  public static boolean isAskedFor(Companion companion) {
    return companion.whyUnreadable().isEmpty()
        && companion.getMetadata().getDeletionTimestamp() == null
        && companion.getSpec().followerRef() != null
        && companion.getSpec().nodeCondition() == NodeConditionType.CompanionReady;
  }

  /// The condition on the node.
  public static Optional<NodeCondition> of(Node node) {
    return Conditions.find(node, CONDITION);
  }

  /// What is to be written on nodes.
  public List<Change> changes(Instant now) {
    return nodes.stream().flatMap(node -> change(node, now).stream()).limit(MAX_NODES).toList();
  }

  private Optional<Change> change(Node node, Instant now) {
    Map<String, String> gaps = new TreeMap<>();
    for (Asking it : asking) {
      Optional.ofNullable(it.gaps().get(node.getMetadata().getName()))
          .ifPresent(gap -> gaps.put(it.companion().toString(), gap));
    }
    Optional<NodeCondition> present = of(node);
    if (gaps.isEmpty()) {
      return present.map(_ -> new Change.Unmark(node, CONDITION, null));
    }
    NodeCondition wanted = condition(gaps, present, now.truncatedTo(ChronoUnit.SECONDS).toString());
    return present.filter(it -> isSame(it, wanted)).isPresent()
        ? Optional.empty()
        : Optional.of(new Change.Mark(node, wanted));
  }

  private static NodeCondition condition(
      Map<String, String> gaps, Optional<NodeCondition> present, String now) {
    List<String> missing =
        gaps.entrySet().stream()
            .filter(it -> !it.getValue().isEmpty())
            .map(it -> "Companion %s: %s".formatted(it.getKey(), it.getValue()))
            .toList();
    boolean ready = missing.isEmpty();
    String status = ready ? "True" : "False";
    return new NodeConditionBuilder()
        .withType(CONDITION)
        .withStatus(status)
        .withReason(ready ? "FollowersReady" : "FollowersNotReady")
        .withMessage(
            Conditions.cut(
                ready
                    ? "Ready here: the followers of Companions "
                        + Finding.named(List.copyOf(gaps.keySet()), ", ")
                    : Finding.named(missing, "; ")))
        .withLastHeartbeatTime(now)
        .withLastTransitionTime(
            present
                .filter(it -> status.equals(it.getStatus()))
                .map(NodeCondition::getLastTransitionTime)
                .orElse(now))
        .build();
  }

  private static boolean isSame(NodeCondition one, NodeCondition other) {
    return one.getStatus().equals(other.getStatus())
        && other.getReason().equals(one.getReason())
        && other.getMessage().equals(one.getMessage());
  }
}
