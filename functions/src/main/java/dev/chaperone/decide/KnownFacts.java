package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionStatus.PlacementWrites;
import dev.chaperone.api.Hold;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What is read before anything else: a Companion, the budgets that have the names of its own, and
/// its Holds. Enough to close for a reason that needs no other fact; the budgets' specs, as they
/// are then, fence a decision on older facts.
///
/// @param placed as in [Snapshot]
public record KnownFacts(
    Instant now,
    Settings settings,
    Companion companion,
    List<PodDisruptionBudget> budgets,
    List<Hold> holds,
    @Nullable PlacementWrites placed) {

  /// Nothing was placed before.
  ///
  /// @param all every budget of the namespace
  /// @param holds those that name the Companion
  public static KnownFacts of(
      Instant now,
      Settings settings,
      Companion companion,
      List<PodDisruptionBudget> all,
      List<Hold> holds) {
    List<String> own = own(companion);
    return new KnownFacts(
        now,
        settings,
        companion,
        all.stream().filter(it -> own.contains(it.getMetadata().getName())).toList(),
        holds,
        null);
  }

  /// The budgets and the others among all budgets of the namespace, which were read later.
  public List<PodDisruptionBudget> budgetsAnd(List<PodDisruptionBudget> all) {
    List<String> own = own(companion);
    return Stream.concat(
            budgets.stream(), all.stream().filter(it -> !own.contains(it.getMetadata().getName())))
        .toList();
  }

  private static List<String> own(Companion companion) {
    return Stream.concat(
            Made.budgets(companion.getMetadata().getName()).stream(),
            Made.moreBudgets(companion).stream())
        .toList();
  }

  /// What closes the budgets for the reasons that are known already. It need not wait for the rest:
  /// closed for a moment too long is safe, open is not, and what cannot be read must not keep it
  /// open.
  public List<Change> closing() {
    List<HoldReason> blocking = blocking();
    return blocking.isEmpty() ? List.of() : BudgetPlan.closing(companion, budgets, blocking);
  }

  /// The policy, the Holds and the windows, as far as they block, or that none of them is known.
  List<HoldReason> blocking() {
    if (companion.whyUnreadable().isPresent()) {
      return List.of(
          new HoldReason(
              Reason.SpecUnreadable,
              "",
              "the spec cannot be read: " + companion.whyUnreadable().get()));
    }
    Disruption disruption = settings.within(companion.getSpec().disruption());
    return BreakGlass.inForce(disruption, now).isPresent()
        ? List.of()
        : Stream.concat(
                Holds.reasons(disruption, holds, now).stream(),
                Windows.of(disruption, now).outside().stream())
            .filter(it -> !it.overdue() && it.isOfEveryNode())
            .toList();
  }

  /// The same, after what the run has written before.
  public KnownFacts with(@Nullable PlacementWrites before) {
    return new KnownFacts(now, settings, companion, budgets, holds, before);
  }

  /// The same, with budgets as they were written meanwhile.
  public KnownFacts with(Written written) {
    return new KnownFacts(now, settings, companion, written.over(budgets), holds, placed);
  }
}
