package dev.chaperone.lab;

import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What Kubernetes itself says of a budget.
public final class Budgets {
  private Budgets() {}

  /// How many disruptions it allows; empty while Kubernetes has not counted for its spec.
  ///
  /// @param budget absent: there is none
  public static Optional<Integer> allowed(@Nullable PodDisruptionBudget budget) {
    return Optional.ofNullable(budget)
        .filter(
            it ->
                it.getStatus() != null
                    && it.getMetadata()
                        .getGeneration()
                        .equals(it.getStatus().getObservedGeneration()))
        .map(it -> it.getStatus().getDisruptionsAllowed());
  }
}
