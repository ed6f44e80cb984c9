package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Disruption;
import io.fabric8.kubernetes.api.model.IntOrString;
import java.util.List;
import java.util.Optional;

/// Whether disruptions should be allowed, and why. Whether they are is for [Enforcement] to say.
public sealed interface Verdict {
  /// Budgets should be open.
  record Allowed(Reason reason, String message) implements Verdict {}

  /// Budgets should be closed. Never without a reason.
  record Held(List<HoldReason> reasons) implements Verdict {
    public Held {
      reasons = List.copyOf(reasons);
      if (reasons.isEmpty()) {
        throw new IllegalArgumentException("held without a reason");
      }
    }
  }

  default boolean allowed() {
    return this instanceof Allowed;
  }

  default Reason reason() {
    return switch (this) {
      case Allowed allowed -> allowed.reason();
      case Held held -> held.reasons().getFirst().type();
    };
  }

  default String message() {
    return switch (this) {
      case Allowed allowed -> allowed.message();
      case Held held -> describe(held.reasons());
    };
  }

  /// The rules, in order: break glass first, then everything that blocks, together.
  static Verdict of(Snapshot seen, Reasons reasons) {
    Optional<Finding> breakGlass = BreakGlass.inForce(seen.disruption(), seen.now());
    if (breakGlass.isPresent()) {
      return new Allowed(breakGlass.get().reason(), breakGlass.get().message());
    }
    List<HoldReason> blocking = reasons.blocking();
    if (!blocking.isEmpty()
        && (seen.target() != null || seen.targetIsElsewhere() || seen.hasOwnObjects())) {
      return new Held(blocking);
    }
    if (seen.isWithoutTarget()) {
      return new Allowed(
          Reason.TargetNotFound, "No node is guarded: " + seen.withoutTarget().message());
    }
    if (!reasons.overdue().isEmpty()) {
      return new Allowed(
          Reason.MaxHoldDurationExceeded,
          "maxHoldDuration %s exceeded; disruptions allowed despite: %s"
              .formatted(seen.disruption().maxHoldDuration(), describe(reasons.overdue())));
    }
    return new Allowed(
        Reason.NothingHolds,
        "No active holds: at most %s may be disrupted at a time"
            .formatted(atMost(seen.disruption())));
  }

  /// How many nodes may be disrupted at a time, for people.
  static String atMost(Disruption disruption) {
    String nodes = nodes(disruption.maxUnavailable());
    return disruption.topologyKey() == null
        ? nodes
        : "%s of one %s".formatted(nodes, disruption.topologyKey());
  }

  private static String nodes(IntOrString maxUnavailable) {
    if (maxUnavailable.getStrVal() != null) {
      return maxUnavailable.getStrVal() + " of the nodes";
    }
    return maxUnavailable.getIntVal() == 1 ? "1 node" : maxUnavailable.getIntVal() + " nodes";
  }

  private static String describe(List<HoldReason> reasons) {
    return Finding.named(reasons.stream().map(HoldReason::describe).toList(), "; ");
  }
}
