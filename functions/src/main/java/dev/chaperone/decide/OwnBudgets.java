package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.util.List;
import java.util.stream.Stream;

/// A Companion and the budgets that have the names of its own. Read before anything else: their
/// resourceVersions fence a decision on older facts.
public record OwnBudgets(Companion companion, List<PodDisruptionBudget> budgets) {

  /// These and the others among all budgets of the namespace, which were read later.
  public List<PodDisruptionBudget> and(List<PodDisruptionBudget> all) {
    List<String> own = Made.budgets(companion.getMetadata().getName());
    return Stream.concat(
            budgets.stream(), all.stream().filter(it -> !own.contains(it.getMetadata().getName())))
        .toList();
  }
}
