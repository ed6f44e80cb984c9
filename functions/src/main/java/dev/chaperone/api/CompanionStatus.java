package dev.chaperone.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.kubernetes.api.model.Condition;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What Chaperone last saw and did for a [Companion].
///
/// @param conditions `Placed`, `Guarded` and `DisruptionAllowed`, each with a reason and a
///     message that says why
/// @param heldNodes cordoned nodes whose drain waits, sorted
public record CompanionStatus(
    @JsonPropertyDescription("The metadata.generation that this status answers.")
        @Nullable Long observedGeneration,
    @JsonPropertyDescription("Guard pods, one for each node that runs a target pod.")
        @Nullable GuardCount guards,
    @JsonPropertyDescription("Cordoned nodes whose drain waits.") @Nullable List<String> heldNodes,
    @JsonPropertyDescription("Placed, Guarded and DisruptionAllowed.")
        @Nullable List<Condition> conditions) {

  /// How many guards there should be, and are.
  ///
  /// @param desired nodes that run a target pod, or should
  /// @param bound guards that have a node
  public record GuardCount(int desired, int bound) {}
}
