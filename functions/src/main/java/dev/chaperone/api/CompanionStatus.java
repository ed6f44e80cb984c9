package dev.chaperone.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.kubernetes.api.model.Condition;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What Chaperone last saw and did for a [Companion].
///
/// @param conditions `Placed`, `Guarded`, `DisruptionAllowed` and, where there are expressions or
///     windows, `Evaluated`; each with a reason and a message that says why
/// @param heldNodes cordoned nodes whose drain waits, sorted
/// @param reasons everything that holds, or would if the deadline had not passed
/// @param heldSince since when reasons hold without a break; what `holdDeadline` counts from
/// @param quietSince since when there has been no reason; what `settlePeriod` counts from
/// @param letGo the nodes that are drained now
public record CompanionStatus(
    @JsonPropertyDescription("The metadata.generation that this status answers.")
        @Nullable Long observedGeneration,
    @JsonPropertyDescription("Guard pods, one for each node that runs a target pod.")
        @Nullable GuardCount guards,
    @JsonPropertyDescription("Cordoned nodes whose drain waits.") @Nullable List<String> heldNodes,
    @JsonPropertyDescription("Everything that holds.") @Nullable List<Reason> reasons,
    @JsonPropertyDescription("Since when reasons hold without a break.") @Nullable String heldSince,
    @JsonPropertyDescription("Since when there has been no reason, until it has settled.")
        @Nullable String quietSince,
    @JsonPropertyDescription("The nodes that are drained now.") @Nullable LetGo letGo,
    @JsonPropertyDescription("Placed, Guarded, DisruptionAllowed and Evaluated.")
        @Nullable List<Condition> conditions) {

  /// While nothing has been seen yet.
  public static final CompanionStatus NONE =
      new CompanionStatus(null, null, null, null, null, null, null, null);

  /// Something that holds.
  ///
  /// @param type CamelCase, as in the DisruptionAllowed condition
  /// @param name of the Hold, the expression, the budget; empty where there is only one
  /// @param since RFC 3339: when it was first seen to hold
  /// @param until RFC 3339; absent: nobody knows
  public record Reason(
      String type, String name, String message, String since, @Nullable String until) {}

  /// Drained nodes.
  ///
  /// @param nodes sorted
  /// @param lastTime RFC 3339: when the last of them was first seen to be drained
  public record LetGo(List<String> nodes, String lastTime) {}

  /// How many guards there should be, and are.
  ///
  /// @param desired nodes that run a target pod, or should
  /// @param bound guards that have a node
  public record GuardCount(int desired, int bound) {}
}
