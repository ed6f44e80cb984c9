package dev.chaperone.decide;

import java.util.List;
import java.util.stream.Collectors;

/// Whether disruptions may go ahead, and why.
public sealed interface Verdict {
  /// So many reasons are named; a message is read at 3 a.m. and has room for 32,768 characters.
  int NAMED = 5;

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

  default boolean allowed() {
    return this instanceof Allowed;
  }

  default String reason() {
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

  /// The rules, in order: what the owner says always counts first, then everything that holds,
  /// together.
  static Verdict of(Snapshot seen, Reasons reasons) {
    if (seen.isWithoutTarget()) {
      Finding missing = seen.withoutTarget();
      return new Allowed(missing.reason(), "Nothing is guarded: " + missing.message());
    }
    return switch (seen.disruption().policy()) {
      case AlwaysAllow ->
          new Allowed("AlwaysAllow", "spec.disruption.policy is AlwaysAllow: no Hold counts");
      case AlwaysHold ->
          new Held(
              List.of(new HoldReason("AlwaysHold", "", "spec.disruption.policy is AlwaysHold")));
      case Auto -> auto(seen, reasons);
    };
  }

  private static Verdict auto(Snapshot seen, Reasons reasons) {
    if (seen.target() == null) {
      // It may run all the same, and what cannot be seen is not safe.
      Finding elsewhere = seen.withoutTarget();
      return new Held(List.of(new HoldReason(elsewhere.reason(), "", elsewhere.message())));
    }
    List<HoldReason> all = reasons.all();
    if (all.isEmpty()) {
      return new Allowed(
          "NothingHolds",
          "Nothing holds: " + seen.disruption().maxUnavailable().getValue() + " may go at once");
    }
    if (reasons.timeline().isOverdue(seen.now())) {
      // The deadline is for what may never end; a window's end is known.
      return reasons.windows().outside().isPresent()
          ? new Held(reasons.windows().outside().stream().toList())
          : new Allowed(
              "HoldDeadlinePassed",
              "Held since %s, longer than holdDeadline %s; allowed although: %s"
                  .formatted(
                      reasons.timeline().heldSince(),
                      seen.disruption().holdDeadline(),
                      describe(all)));
    }
    return new Held(all);
  }

  private static String describe(List<HoldReason> reasons) {
    String named =
        reasons.stream().limit(NAMED).map(HoldReason::describe).collect(Collectors.joining("; "));
    return reasons.size() > NAMED ? named + "; and " + (reasons.size() - NAMED) + " more" : named;
  }
}
