package dev.chaperone.decide;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Whether disruptions may go ahead, and why.
public sealed interface Verdict {

  /// Budgets are open.
  record Allowed(String reason, String message) implements Verdict {}

  /// Budgets are closed. Never without a reason.
  record Held(List<HoldReason> reasons) implements Verdict {
    public Held {
      reasons = List.copyOf(reasons);
      if (reasons.isEmpty()) {
        throw new IllegalArgumentException("held without a reason");
      }
    }
  }

  /// One of the things that hold.
  record HoldReason(String reason, String message) {}

  default boolean allowed() {
    return this instanceof Allowed;
  }

  default String reason() {
    return switch (this) {
      case Allowed allowed -> allowed.reason();
      case Held held -> held.reasons().getFirst().reason();
    };
  }

  default String message() {
    return switch (this) {
      case Allowed allowed -> allowed.message();
      case Held held ->
          held.reasons().stream().map(HoldReason::message).collect(Collectors.joining("; "));
    };
  }

  /// The rules, in order: what the owner says always counts first, then everything that holds,
  /// together.
  static Verdict of(Snapshot seen) {
    if (seen.target() == null) {
      return new Allowed("TargetMissing", "Nothing is guarded: " + seen.targetMissing());
    }
    return switch (seen.disruption().policy()) {
      case AlwaysAllow ->
          new Allowed("AlwaysAllow", "spec.disruption.policy is AlwaysAllow: no Hold counts");
      case AlwaysHold ->
          new Held(List.of(new HoldReason("AlwaysHold", "spec.disruption.policy is AlwaysHold")));
      case Auto -> {
        List<HoldReason> reasons =
            Stream.concat(Overlaps.of(seen).stream(), Holds.reasons(seen).stream()).toList();
        yield reasons.isEmpty()
            ? new Allowed(
                "NothingHolds",
                "Nothing holds: "
                    + seen.disruption().maxUnavailable().getValue()
                    + " may go at once")
            : new Held(reasons);
      }
    };
  }
}
