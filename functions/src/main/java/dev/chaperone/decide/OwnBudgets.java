package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.Policy;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.util.List;
import java.util.stream.Stream;

/// A Companion and the budgets that have the names of its own. Read before anything else: their
/// specs, as they are then, fence a decision on older facts.
public record OwnBudgets(Companion companion, List<PodDisruptionBudget> budgets) {

  /// These and the others among all budgets of the namespace, which were read later.
  public List<PodDisruptionBudget> and(List<PodDisruptionBudget> all) {
    List<String> own = Made.budgets(companion.getMetadata().getName());
    return Stream.concat(
            budgets.stream(), all.stream().filter(it -> !own.contains(it.getMetadata().getName())))
        .toList();
  }

  /// What an active Hold closes, whatever else there is to see. It need not wait for the rest:
  /// closed for a moment too long is safe, open is not, and the decision on everything follows.
  public List<Change> closing() {
    Disruption disruption = companion.getSpec().disruption();
    // How long it has been held, which counts for a deadline, is only known when everything is.
    return disruption.policy() == Policy.Auto && disruption.holdDeadline() == null
        ? BudgetPlan.closing(companion, budgets)
        : List.of();
  }
}
