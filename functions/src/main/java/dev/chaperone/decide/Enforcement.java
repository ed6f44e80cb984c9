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
/// @param heldGap what keeps the budget of held nodes from refusing every eviction of the guards
///     that are under it; empty: nothing does, or there are none
/// @param usedUp whether an open budget lets nothing go now
/// @param blocksDrains whether the budget over guards refuses the eviction of each that runs
/// @param blocksUnhealthy whether the budget over the guards of unhealthy nodes does
record Enforcement(
    List<String> gaps,
    List<String> notOpened,
    List<UnguardedNode> unguarded,
    Optional<String> heldGap,
    boolean usedUp,
    boolean blocksDrains,
    boolean blocksUnhealthy) {

  static Enforcement of(
      Snapshot seen, GuardState guards, HeldNodes held, BudgetPlan plan, Written written) {
    List<String> gaps = new ArrayList<>();
    List<String> notOpened = new ArrayList<>();
    boolean usedUp = false;
    boolean blocksDrains = false;
    boolean blocksUnhealthy = false;
    plan.problem().map(Finding::message).ifPresent(gaps::add);
    if (seen.protects(Protect.Nodes) && seen.target() == null && seen.ownGuards() == null) {
      gaps.add("no node is guarded: " + seen.withoutTarget().message());
    }
    for (String name : plan.wanted()) {
      Optional<PodDisruptionBudget> live = live(seen, written, name);
      boolean forNodes = name.endsWith(Made.NODES_SUFFIX);
      Optional<String> gap =
          gap(seen, written, name, name.endsWith(Made.PODS_SUFFIX) || guards.allReady());
      gap.ifPresent(gaps::add);
      if (live.filter(it -> BudgetSpecs.isClosed(it.getSpec())).isPresent()) {
        blocksDrains |= forNodes && gap.isEmpty();
        boolean ofUnhealthy = name.endsWith(Made.UNHEALTHY_SUFFIX);
        blocksUnhealthy |= ofUnhealthy && gap.isEmpty();
        if (!ofUnhealthy || seen.letsUnhealthyNodesGo()) {
          notOpened.add("PodDisruptionBudget %s is closed%s".formatted(name, words(written, name)));
        }
      } else if (live.filter(Counts::letsNothingGo).isPresent()) {
        usedUp |= forNodes || !seen.protects(Protect.Nodes);
        blocksDrains |= forNodes;
      }
    }
    Optional<String> heldGap =
        held.keepsAny()
            ? gap(seen, written, seen.ref().name() + Made.HELD_SUFFIX, guards.allReady())
            : Optional.empty();
    heldGap.ifPresent(gaps::add);
    return new Enforcement(
        gaps, notOpened, guards.unguarded(), heldGap, usedUp, blocksDrains, blocksUnhealthy);
  }

  private static Optional<PodDisruptionBudget> live(Snapshot seen, Written written, String name) {
    return written.stored(PodDisruptionBudget.class, name).or(() -> seen.budget(name));
  }

  /// Why a budget does not refuse every eviction.
  ///
  /// @param allReady whether each pod that runs is ready: only those are refused before Kubernetes
  ///     has counted
  private static Optional<String> gap(
      Snapshot seen, Written written, String name, boolean allReady) {
    Optional<PodDisruptionBudget> live = live(seen, written, name);
    if (live.isEmpty()) {
      return Optional.of(
          "PodDisruptionBudget %s does not exist%s".formatted(name, words(written, name)));
    }
    if (!BudgetSpecs.isClosed(live.get().getSpec())) {
      return Optional.of("PodDisruptionBudget %s is open%s".formatted(name, words(written, name)));
    }
    return allReady || Counts.isCounted(live.get())
        ? Optional.empty()
        : Optional.of(
            "Kubernetes has not yet counted for PodDisruptionBudget %s, and a guard is not ready"
                .formatted(name));
  }

  private static String words(Written written, String name) {
    return written.refusal(PodDisruptionBudget.class, name).map(it -> ": " + it).orElse("");
  }

  /// Whether every budget refuses every eviction.
  boolean isClosed() {
    return gaps.isEmpty();
  }

  /// Whether each guard that runs is under a budget that is as it should be.
  boolean everyGuardIsProtected() {
    return heldGap.isEmpty() && unguarded.isEmpty();
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
