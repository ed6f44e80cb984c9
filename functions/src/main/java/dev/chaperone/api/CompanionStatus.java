package dev.chaperone.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.kubernetes.api.model.Condition;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// What Chaperone last saw and achieved for a [Companion]. Every field is what the API server had
/// after Chaperone's writes, never what Chaperone meant to write.
///
/// @param conditions `Ready`, `Placed`, `Guarded`, `DisruptionAllowed` and, where there are
///     expressions or windows, `Evaluated`; each with a reason and a message that says why
/// @param blockedNodes cordoned nodes whose drain waits, sorted
/// @param unguardedNodes nodes that run a target pod and have no running guard, sorted by name, at
///     most 100; a drained node is not among them
/// @param unprotectedGuards guards that do not run, sorted by name: the API server asks no budget
///     when they are evicted, so the admission policies refuse that, and leave all other guards to
///     the budget. Absent unless something blocks, every budget is closed, and a node has no
///     running guard; and where they are more than 100
/// @param drainedNodes the nodes that are drained now
/// @param taintedNodes nodes with a NoSchedule taint that had a guard when last seen, sorted, at
///     most 100: one that loses its guard is being drained and gets no other
/// @param heldNodes nodes that Holds block, each by itself, and those whose guard is still kept
///     apart for one, sorted, at most 100
/// @param unhealthyNodes nodes whose target pod is not ready, and whose drain does not wait for
///     other nodes, sorted, at most 100; empty or absent where the spec does not ask for that
/// @param reasons everything that blocks, and what would if `maxHoldDuration` had not passed; of
///     the Holds only the first 20
/// @param quietSince since when no reason has blocked; what `settlePeriod` counts from
/// @param maintenance nodes of the target that are maintained, or are going to be, sorted, at most
///     100; empty or absent where the spec asks for none
/// @param placementWrites how often the follower was given the same placement in a row
public record CompanionStatus(
    @JsonPropertyDescription("The metadata.generation that this status answers.")
        @Nullable Long observedGeneration,
    @JsonPropertyDescription("Guard pods, one for each node that runs a target pod.")
        @Nullable GuardCount guards,
    @JsonPropertyDescription("Cordoned nodes whose drain waits.")
        @Nullable List<String> blockedNodes,
    @JsonPropertyDescription(
            "Nodes that run a target pod and have no running guard: no budget blocks their drain.")
        @Nullable List<UnguardedNode> unguardedNodes,
    @JsonPropertyDescription(UNPROTECTED_GUARDS) @Nullable List<String> unprotectedGuards,
    @JsonPropertyDescription("The nodes that are drained now.") @Nullable DrainedNodes drainedNodes,
    @JsonPropertyDescription("Nodes with a NoSchedule taint that had a guard when last seen.")
        @Nullable List<String> taintedNodes,
    @JsonPropertyDescription("Nodes that Holds block, each by itself.")
        @Nullable List<String> heldNodes,
    @JsonPropertyDescription(
            "Nodes whose target pod is not ready, and whose drain does not wait for other nodes.")
        @Nullable List<String> unhealthyNodes,
    @JsonPropertyDescription("Every reason to block, with its beginning and its end.")
        @Nullable List<BlockingReason> reasons,
    @JsonPropertyDescription("Since when no reason has blocked, until settlePeriod has passed.")
        @Nullable String quietSince,
    @JsonPropertyDescription("Nodes whose maintenance is planned, or has started.")
        @Nullable List<NodeMaintenance> maintenance,
    @JsonPropertyDescription("How often the follower was given the same placement in a row.")
        @Nullable PlacementWrites placementWrites,
    @JsonPropertyDescription("Ready, Placed, Guarded, DisruptionAllowed and Evaluated.")
        @Nullable List<Condition> conditions) {

  static final String UNPROTECTED_GUARDS =
      "Guards that do not run, while budgets block the eviction of all others. Absent otherwise.";

  public CompanionStatus {
    blockedNodes = copy(blockedNodes);
    unguardedNodes = copy(unguardedNodes);
    unprotectedGuards = copy(unprotectedGuards);
    taintedNodes = copy(taintedNodes);
    heldNodes = copy(heldNodes);
    unhealthyNodes = copy(unhealthyNodes);
    reasons = copy(reasons);
    maintenance = copy(maintenance);
    conditions = copy(conditions);
  }

  /// No list has a hole in it.
  private static <T> @Nullable List<T> copy(@Nullable List<T> list) {
    return list == null ? null : List.copyOf(list);
  }

  /// While nothing has been seen yet, or the status was lost.
  public static final CompanionStatus NONE =
      new CompanionStatus(
          null, null, null, null, null, null, null, null, null, null, null, null, null, null);

  /// A reason to block disruptions.
  ///
  /// @param type CamelCase, as in the DisruptionAllowed condition
  /// @param name of the Hold, the expression, the budget; empty where there is only one
  /// @param since RFC 3339: when it was first seen
  /// @param until RFC 3339, when it ends at the latest; absent: not known
  /// @param overdue true: it has lasted longer than `maxHoldDuration` and no longer blocks; absent:
  ///     it blocks
  /// @param node the one node that is blocked
  /// @param nodeSelector labels of the nodes that are blocked; absent, as node is: every node
  public record BlockingReason(
      String type,
      String name,
      String message,
      String since,
      @Nullable String until,
      @Nullable Boolean overdue,
      @Nullable String node,
      @Nullable Map<String, String> nodeSelector) {
    public BlockingReason {
      Objects.requireNonNull(type, "type");
      Objects.requireNonNull(name, "name");
      Objects.requireNonNull(message, "message");
      Objects.requireNonNull(since, "since");
      nodeSelector = nodeSelector == null ? null : Map.copyOf(nodeSelector);
    }
  }

  /// A node that runs a target pod and has no running guard.
  ///
  /// @param message why, and what to do
  public record UnguardedNode(String name, String message) {
    public UnguardedNode {
      Objects.requireNonNull(name, "name");
      Objects.requireNonNull(message, "message");
    }
  }

  /// A node that is maintained, or is going to be.
  ///
  /// @param message what on the node says so, and its words
  /// @param since RFC 3339: when it was first seen in this phase
  /// @param announced whether the Kubernetes Event and the reply CloudEvent of this phase have been
  ///     made, which can be lost: one node after the other, because an event has one reply
  public record NodeMaintenance(
      String node, Phase phase, String message, String since, boolean announced) {
    public NodeMaintenance {
      Objects.requireNonNull(node, "node");
      Objects.requireNonNull(phase, "phase");
      Objects.requireNonNull(message, "message");
      Objects.requireNonNull(since, "since");
    }

    /// How far it is. What has ended goes once that is announced.
    public enum Phase {
      Planned,
      Started,
      Ended
    }
  }

  /// Drained nodes.
  ///
  /// @param nodes sorted
  /// @param lastTime RFC 3339: when the last of them was first seen to be drained
  public record DrainedNodes(List<String> nodes, String lastTime) {
    public DrainedNodes {
      nodes = List.copyOf(nodes);
      Objects.requireNonNull(lastTime, "lastTime");
    }
  }

  /// How many guards there should be, and are.
  ///
  /// @param desired nodes that run a target pod
  /// @param bound guards that have a node
  /// @param running guards whose containers have started; no budget protects the others
  public record GuardCount(int desired, int bound, int running) {}

  /// What shows that somebody else keeps changing the follower's placement back.
  ///
  /// @param placement a hash of the placement
  /// @param count how often it was written in a row
  /// @param lastTime RFC 3339: when it was written last
  public record PlacementWrites(String placement, int count, String lastTime) {
    public PlacementWrites {
      Objects.requireNonNull(placement, "placement");
      Objects.requireNonNull(lastTime, "lastTime");
    }
  }
}
