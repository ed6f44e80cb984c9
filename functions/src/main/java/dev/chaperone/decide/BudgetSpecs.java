package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.LabelSelector;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetSpec;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetSpecBuilder;

/// What a budget can say: that nothing goes, or that so many may.
final class BudgetSpecs {
  /// More than any cluster has pods. Counted against pods, it lets nothing go whatever happens to
  /// them and to their Deployment; with maxUnavailable 0, each pod above the replicas could go. For
  /// pods of a DaemonSet Kubernetes works out nothing but an integer minAvailable.
  private static final IntOrString MORE_THAN_ALL = new IntOrString(Integer.MAX_VALUE);

  private BudgetSpecs() {}

  /// What lets nothing go, also no pod that runs and is not ready.
  static PodDisruptionBudgetSpec closed(LabelSelector pods) {
    PodDisruptionBudgetSpec spec = new PodDisruptionBudgetSpec();
    spec.setSelector(pods);
    spec.setUnhealthyPodEvictionPolicy("IfHealthyBudget");
    spec.setMinAvailable(MORE_THAN_ALL);
    return spec;
  }

  /// What lets nothing go either, of pods that are all of one Deployment, and asks for none where
  /// there are none: monitoring would take a closed one for a fault.
  static PodDisruptionBudgetSpec unused(LabelSelector pods) {
    PodDisruptionBudgetSpec spec = new PodDisruptionBudgetSpec();
    spec.setSelector(pods);
    spec.setUnhealthyPodEvictionPolicy("IfHealthyBudget");
    spec.setMaxUnavailable(new IntOrString(0));
    return spec;
  }

  /// What lets every pod go.
  static PodDisruptionBudgetSpec free(LabelSelector pods) {
    return open(pods, 0, 0, new IntOrString(0));
  }

  /// Whether the spec lets nothing go, whatever happens to the pods.
  static boolean isClosed(PodDisruptionBudgetSpec spec) {
    return MORE_THAN_ALL.equals(spec.getMinAvailable())
        && !"AlwaysAllow".equals(spec.getUnhealthyPodEvictionPolicy());
  }

  /// What lets maxUnavailable of so many pods go, counted against pods: with maxUnavailable itself,
  /// Kubernetes counts against the replicas, and whoever scales the guards down would let the rest
  /// go. A broken pod must not block its own node.
  ///
  /// @param others pods that the selector finds as well
  static PodDisruptionBudgetSpec open(
      LabelSelector selector, int pods, int others, IntOrString maxUnavailable) {
    return openBut(selector, pods, 0, others, maxUnavailable, pods);
  }

  /// The same, where the selector does not find all of these pods.
  ///
  /// @param apart those of them that it does not find
  /// @param more how many it asks for besides
  /// @param of how many pods a percentage is of
  static PodDisruptionBudgetSpec openBut(
      LabelSelector selector, int pods, int apart, int more, IntOrString maxUnavailable, int of) {
    PodDisruptionBudgetSpec spec = new PodDisruptionBudgetSpec();
    spec.setSelector(selector);
    spec.setUnhealthyPodEvictionPolicy("AlwaysAllow");
    spec.setMinAvailable(
        new IntOrString(more + Math.max(0, pods - apart - scaled(maxUnavailable, of))));
    return spec;
  }

  /// For how many pods the spec asks; one that says that in another way, for all.
  static int asksFor(PodDisruptionBudgetSpec spec) {
    IntOrString number = spec.getMinAvailable();
    return number == null || number.getStrVal() != null
        ? MORE_THAN_ALL.getIntVal()
        : number.getIntVal();
  }

  /// The same spec that asks for so many pods.
  static PodDisruptionBudgetSpec askingFor(PodDisruptionBudgetSpec spec, int pods) {
    return new PodDisruptionBudgetSpecBuilder(spec).withMinAvailable(new IntOrString(pods)).build();
  }

  /// As Kubernetes scales a PodDisruptionBudget's percentages: rounded up.
  static int scaled(IntOrString number, int total) {
    if (number.getStrVal() == null) {
      return number.getIntVal();
    }
    int percent = Integer.parseInt(number.getStrVal().replace("%", ""));
    return Math.ceilDiv(percent * total, 100);
  }

  /// Whether the wanted spec may let go more than the actual one does.
  static boolean gives(PodDisruptionBudgetSpec actual, PodDisruptionBudgetSpec wanted) {
    boolean raised =
        wanted.getMinAvailable() != null
            && actual.getMinAvailable() != null
            && actual.getMinAvailable().getStrVal() == null
            && wanted.getMinAvailable().getIntVal() > actual.getMinAvailable().getIntVal();
    return !isClosed(wanted) && !raised;
  }
}
