package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus.UnguardedNode;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// What the budgets and the guards do now, after all writes. Everything that is told of disruptions
/// comes from here, so that nothing is called blocked that the API server would let go.
///
/// @param gaps what keeps the budgets from blocking everything that they should; empty: each of
///     them refuses every eviction
/// @param notOpened why a budget is closed although nothing holds; empty if none is
/// @param usedUp whether an open budget lets nothing go now
/// @param blocksDrains whether the budget over guards refuses the eviction of each that runs
record Enforcement(
    List<String> gaps,
    List<String> notOpened,
    List<UnguardedNode> unguarded,
    boolean usedUp,
    boolean blocksDrains) {

  static Enforcement of(Snapshot seen, GuardState guards, BudgetPlan plan, Written written) {
    List<String> gaps = new ArrayList<>();
    List<String> notOpened = new ArrayList<>();
    boolean usedUp = false;
    boolean blocksDrains = false;
    plan.problem().map(Finding::message).ifPresent(gaps::add);
    if (seen.protects(Protect.Nodes) && seen.target() == null && seen.ownGuards() == null) {
      gaps.add("no node is guarded: " + seen.withoutTarget().message());
    }
    for (String name : plan.wanted()) {
      Optional<PodDisruptionBudget> live =
          written.stored(PodDisruptionBudget.class, name).or(() -> seen.budget(name));
      Optional<String> refusal = written.refusal(PodDisruptionBudget.class, name);
      String words = refusal.map(it -> ": " + it).orElse("");
      boolean forNodes = name.endsWith(Made.NODES_SUFFIX);
      if (live.isEmpty()) {
        gaps.add("PodDisruptionBudget " + name + " does not exist" + words);
      } else if (!BudgetSpecs.isClosed(live.get().getSpec())) {
        gaps.add("PodDisruptionBudget " + name + " is open" + words);
        boolean decides = forNodes || !seen.protects(Protect.Nodes);
        usedUp |= decides && Counts.letsNothingGo(live.get());
        blocksDrains |= forNodes && Counts.letsNothingGo(live.get());
      } else {
        if (forNodes && !guards.allReady() && !Counts.isCounted(live.get())) {
          gaps.add(
              "Kubernetes has not yet counted for PodDisruptionBudget "
                  + name
                  + ", and a guard is not ready");
        } else {
          blocksDrains |= forNodes;
        }
        notOpened.add("PodDisruptionBudget " + name + " is closed" + words);
      }
    }
    return new Enforcement(gaps, notOpened, guards.unguarded(), usedUp, blocksDrains);
  }

  /// Whether every budget refuses every eviction.
  boolean isClosed() {
    return gaps.isEmpty();
  }

  /// Whether no node that runs the target can be drained, but for those that were before.
  boolean isComplete() {
    return isClosed() && unguarded.isEmpty();
  }

  /// What is missing, for people.
  String missing() {
    return Stream.concat(
            gaps.stream(),
            unguarded.isEmpty()
                ? Stream.of()
                : Stream.of("no running guard on " + GuardPlan.names(unguarded)))
        .collect(Collectors.joining("; "));
  }
}
