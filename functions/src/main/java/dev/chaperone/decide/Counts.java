package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.DaemonSetStatus;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.DeploymentStatus;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What Kubernetes' own controllers have counted, and whether that is for the spec as it is now.
final class Counts {
  private Counts() {}

  /// How many nodes have a target pod, or should: scheduled and misscheduled ones, because a taint
  /// that the target does not tolerate turns the first into the second while their pods run on.
  static int nodes(DaemonSet target) {
    return status(target).stream()
        .mapToInt(
            status ->
                orZero(status.getDesiredNumberScheduled()) + orZero(status.getNumberMisscheduled()))
        .sum();
  }

  /// Whether the DaemonSet controller has not yet counted for the spec as it is now.
  static boolean isStale(DaemonSet daemonSet) {
    Long generation = daemonSet.getMetadata().getGeneration();
    Long observed = status(daemonSet).map(DaemonSetStatus::getObservedGeneration).orElse(null);
    return generation != null && (observed == null || observed < generation);
  }

  /// Whether each node that should run a pod of the DaemonSet has one.
  static boolean everyNodeRunsIts(DaemonSet daemonSet) {
    DaemonSetStatus status = daemonSet.getStatus();
    return status != null
        && orZero(status.getCurrentNumberScheduled()) == orZero(status.getDesiredNumberScheduled());
  }

  /// Whether the pod of the DaemonSet is ready on each node that should run one.
  static boolean everyPodIsReady(DaemonSet daemonSet) {
    DaemonSetStatus status = daemonSet.getStatus();
    return status != null
        && orZero(status.getNumberReady()) >= orZero(status.getDesiredNumberScheduled());
  }

  /// Whether the Deployment controller has not yet looked at the spec as it is now.
  static boolean isStale(Deployment deployment) {
    Long generation = deployment.getMetadata().getGeneration();
    Long observed = status(deployment).map(DeploymentStatus::getObservedGeneration).orElse(null);
    return generation != null && !Objects.equals(generation, observed);
  }

  /// How many guards there are.
  static int replicas(@Nullable Deployment deployment) {
    return status(deployment).map(DeploymentStatus::getReplicas).orElse(0);
  }

  /// How many of them are ready.
  static int ready(@Nullable Deployment deployment) {
    return status(deployment).map(DeploymentStatus::getReadyReplicas).orElse(0);
  }

  /// How many of them are of the present template.
  static int updated(@Nullable Deployment deployment) {
    return status(deployment).map(DeploymentStatus::getUpdatedReplicas).orElse(0);
  }

  /// Whether Kubernetes has counted for the budget's present spec.
  static boolean isCounted(PodDisruptionBudget budget) {
    return budget.getStatus() != null
        && budget.getStatus().getObservedGeneration() != null
        && budget.getStatus().getObservedGeneration() >= budget.getMetadata().getGeneration();
  }

  /// Whether Kubernetes has counted so many guards of a budget. Its disruption controller hears of
  /// labels and of budgets in any order, and does not count a budget again that a guard has left;
  /// but once it has counted the guard here, it counts none of the others with it.
  ///
  /// @param guards all that it selects
  static boolean haveCounted(Optional<PodDisruptionBudget> budget, long guards) {
    return guards == 0
        || budget
            .filter(Counts::isCounted)
            // By maxUnavailable it would count what the Deployment asks for.
            .filter(it -> it.getSpec().getMinAvailable() != null)
            .filter(it -> orZero(it.getStatus().getExpectedPods()) >= guards)
            .isPresent();
  }

  /// Whether Kubernetes has counted, and lets none of the budget's pods go now.
  static boolean letsNothingGo(PodDisruptionBudget budget) {
    return isCounted(budget)
        && orZero(budget.getStatus().getDisruptionsAllowed()) == 0
        && orZero(budget.getStatus().getExpectedPods()) > 0;
  }

  /// A count that a controller has not written yet is none.
  static int orZero(@Nullable Integer number) {
    return Objects.requireNonNullElse(number, 0);
  }

  private static Optional<DaemonSetStatus> status(DaemonSet daemonSet) {
    return Optional.ofNullable(daemonSet.getStatus());
  }

  private static Optional<DeploymentStatus> status(@Nullable Deployment deployment) {
    return Optional.ofNullable(deployment).map(Deployment::getStatus);
  }
}
