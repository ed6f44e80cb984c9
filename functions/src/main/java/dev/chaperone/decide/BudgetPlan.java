package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Protect;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.LabelSelector;
import io.fabric8.kubernetes.api.model.LabelSelectorBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetSpec;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/// The two budgets: one over the guards, which drains run into, and one over the follower's pods,
/// for evictions of those by themselves.
///
/// @param closing what takes room away, to be written before anything else
/// @param opening what gives room, to be written after everything else
record BudgetPlan(List<Change> closing, List<Change> opening, Optional<Finding> problem) {

  /// More than any cluster has pods, so that pods added while the budget is closed find it closed.
  /// For pods of a DaemonSet Kubernetes works out neither maxUnavailable nor percentages; an
  /// integer minAvailable it does.
  private static final int MORE_THAN_ALL = Integer.MAX_VALUE;

  static BudgetPlan of(Snapshot seen, Verdict verdict) {
    List<Change> closing = new ArrayList<>();
    List<Change> opening = new ArrayList<>();
    List<String> taken = new ArrayList<>();
    for (Wanted wanted : List.of(nodes(seen, verdict), pods(seen, verdict))) {
      Optional<PodDisruptionBudget> actual = seen.budget(wanted.name());
      if (actual.isPresent() && !Made.isOurs(actual.get(), seen.companion())) {
        taken.add(wanted.name());
      } else {
        switch (wanted) {
          case Wanted.Leave leave -> {}
          case Wanted.Gone gone -> actual.map(Change.Delete::new).ifPresent(opening::add);
          case Wanted.Spec spec -> {
            if (actual.isEmpty()) {
              // Without it everything may go, so making it takes room away, whatever it says.
              closing.add(new Change.Apply(budget(seen, spec, Optional.empty())));
            } else if (!isSo(actual.get().getSpec(), spec.spec())) {
              (gives(actual.get().getSpec(), spec.spec()) ? opening : closing)
                  .add(new Change.Apply(budget(seen, spec, actual)));
            }
          }
        }
      }
    }
    return new BudgetPlan(
        closing,
        opening,
        taken.isEmpty()
            ? Optional.empty()
            : Optional.of(
                Finding.bad(
                    "NameTaken",
                    "PodDisruptionBudget "
                        + String.join(", ", taken)
                        + " is not Chaperone's: delete it, or give the Companion another name")));
  }

  private sealed interface Wanted {
    String name();

    /// There is nothing for it to protect.
    record Gone(String name) implements Wanted {}

    /// What it should say cannot be known now.
    record Leave(String name) implements Wanted {}

    record Spec(String name, PodDisruptionBudgetSpec spec) implements Wanted {}
  }

  private static Wanted nodes(Snapshot seen, Verdict verdict) {
    String name = seen.ref().name() + Made.NODES_SUFFIX;
    if (seen.isWithoutTarget() || !seen.protects(Protect.Nodes)) {
      return new Wanted.Gone(name);
    }
    LabelSelector guards =
        new LabelSelectorBuilder().withMatchLabels(Made.guardLabels(seen.ref().name())).build();
    PodDisruptionBudgetSpec spec = spec(guards, verdict);
    spec.setMaxUnavailable(
        verdict.allowed() ? seen.disruption().maxUnavailable() : new IntOrString(0));
    return new Wanted.Spec(name, spec);
  }

  private static Wanted pods(Snapshot seen, Verdict verdict) {
    String name = seen.ref().name() + Made.PODS_SUFFIX;
    if (seen.isWithoutTarget()
        || !seen.protects(Protect.Pods)
        || seen.spec().companionRef() == null
        || PlacementPlan.rival(seen).isPresent()) {
      return new Wanted.Gone(name);
    }
    DaemonSet follower = seen.follower();
    if (follower == null) {
      // Pods of a DaemonSet that is being replaced may still run.
      return new Wanted.Leave(name);
    }
    PodDisruptionBudgetSpec spec = spec(follower.getSpec().getSelector(), verdict);
    int pods = Snapshot.nodes(follower);
    spec.setMinAvailable(
        new IntOrString(
            verdict.allowed()
                ? Math.max(0, pods - scaled(seen.disruption().maxUnavailable(), pods))
                : MORE_THAN_ALL));
    return new Wanted.Spec(name, spec);
  }

  private static PodDisruptionBudgetSpec spec(LabelSelector pods, Verdict verdict) {
    PodDisruptionBudgetSpec spec = new PodDisruptionBudgetSpec();
    spec.setSelector(pods);
    // Closed means closed, also for a pod that does not run yet; open, a broken one must not block
    // its own node.
    spec.setUnhealthyPodEvictionPolicy(verdict.allowed() ? "AlwaysAllow" : "IfHealthyBudget");
    return spec;
  }

  /// As Kubernetes scales a PodDisruptionBudget's percentages: rounded up.
  private static int scaled(IntOrString number, int total) {
    if (number.getStrVal() == null) {
      return number.getIntVal();
    }
    int percent = Integer.parseInt(number.getStrVal().replace("%", ""));
    return Math.ceilDiv(percent * total, 100);
  }

  private static boolean isSo(PodDisruptionBudgetSpec actual, PodDisruptionBudgetSpec wanted) {
    return Objects.equals(actual.getSelector(), wanted.getSelector())
        && Objects.equals(actual.getMaxUnavailable(), wanted.getMaxUnavailable())
        && Objects.equals(actual.getMinAvailable(), wanted.getMinAvailable())
        && Objects.equals(
            actual.getUnhealthyPodEvictionPolicy(), wanted.getUnhealthyPodEvictionPolicy());
  }

  /// Whether the wanted spec may let go more than the actual one does.
  private static boolean gives(PodDisruptionBudgetSpec actual, PodDisruptionBudgetSpec wanted) {
    boolean closed =
        Objects.equals(wanted.getMaxUnavailable(), new IntOrString(0))
            || Objects.equals(wanted.getMinAvailable(), new IntOrString(MORE_THAN_ALL));
    boolean raised =
        wanted.getMinAvailable() != null
            && actual.getMinAvailable() != null
            && actual.getMinAvailable().getStrVal() == null
            && wanted.getMinAvailable().getIntVal() > actual.getMinAvailable().getIntVal();
    return !closed && !raised;
  }

  private static PodDisruptionBudget budget(
      Snapshot seen, Wanted.Spec wanted, Optional<PodDisruptionBudget> actual) {
    PodDisruptionBudget budget =
        new PodDisruptionBudgetBuilder()
            .withMetadata(
                Made.metadata(
                    seen.companion(), wanted.name().substring(seen.ref().name().length())))
            .withSpec(wanted.spec())
            .build();
    // The version that was read before everything else: whoever wrote in between decided on newer
    // facts.
    actual.ifPresent(
        it -> budget.getMetadata().setResourceVersion(it.getMetadata().getResourceVersion()));
    return budget;
  }
}
