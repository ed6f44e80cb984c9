package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Protect;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.LabelSelector;
import io.fabric8.kubernetes.api.model.LabelSelectorBuilder;
import io.fabric8.kubernetes.api.model.ObjectMeta;
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

  private static final IntOrString NONE = new IntOrString(0);

  static BudgetPlan of(Snapshot seen, Verdict verdict) {
    List<Change> closing = new ArrayList<>();
    List<Change> opening = new ArrayList<>();
    List<String> taken = new ArrayList<>();
    for (Wanted wanted : List.of(nodes(seen, verdict), pods(seen, verdict))) {
      String name = seen.ref().name() + wanted.suffix();
      Optional<PodDisruptionBudget> actual = seen.budget(name);
      if (actual.isPresent() && !Made.isOurs(actual.get(), seen.companion())) {
        taken.add(name);
      } else {
        switch (wanted) {
          case Wanted.Leave leave -> {}
          case Wanted.Gone gone -> actual.map(Change.Delete::new).ifPresent(opening::add);
          case Wanted.Spec spec -> {
            Change change =
                new Change.Apply(budget(seen.companion(), spec.suffix(), spec.spec(), actual));
            if (actual.isEmpty()) {
              // Without it everything may go, so making it takes room away, whatever it says.
              closing.add(change);
            } else if (!isSo(actual.get().getSpec(), spec.spec())) {
              (gives(actual.get().getSpec(), spec.spec()) ? opening : closing).add(change);
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

  /// What closes those of the Companion's budgets that are open.
  static List<Change> closing(Companion companion, List<PodDisruptionBudget> budgets) {
    List<Change> closing = new ArrayList<>();
    for (PodDisruptionBudget actual : budgets) {
      if (Made.isOurs(actual, companion)) {
        String suffix =
            actual.getMetadata().getName().substring(companion.getMetadata().getName().length());
        PodDisruptionBudgetSpec spec = closed(suffix, actual.getSpec().getSelector());
        if (!isSo(actual.getSpec(), spec)) {
          closing.add(new Change.Apply(budget(companion, suffix, spec, Optional.of(actual))));
        }
      }
    }
    return closing;
  }

  private sealed interface Wanted {
    String suffix();

    /// There is nothing for it to protect.
    record Gone(String suffix) implements Wanted {}

    /// What it should say cannot be known now.
    record Leave(String suffix) implements Wanted {}

    record Spec(String suffix, PodDisruptionBudgetSpec spec) implements Wanted {}
  }

  private static Wanted nodes(Snapshot seen, Verdict verdict) {
    if (seen.isWithoutTarget() || !seen.protects(Protect.Nodes)) {
      return new Wanted.Gone(Made.NODES_SUFFIX);
    }
    LabelSelector guards =
        new LabelSelectorBuilder().withMatchLabels(Made.guardLabels(seen.ref().name())).build();
    if (!verdict.allowed()) {
      return new Wanted.Spec(Made.NODES_SUFFIX, closed(Made.NODES_SUFFIX, guards));
    }
    PodDisruptionBudgetSpec spec = open(guards);
    spec.setMaxUnavailable(seen.disruption().maxUnavailable());
    return new Wanted.Spec(Made.NODES_SUFFIX, spec);
  }

  private static Wanted pods(Snapshot seen, Verdict verdict) {
    if (seen.isWithoutTarget()
        || !seen.protects(Protect.Pods)
        || seen.spec().companionRef() == null
        || PlacementPlan.rival(seen).isPresent()) {
      return new Wanted.Gone(Made.PODS_SUFFIX);
    }
    DaemonSet follower = seen.follower();
    if (follower == null) {
      // Pods of a DaemonSet that is being replaced may still run.
      return new Wanted.Leave(Made.PODS_SUFFIX);
    }
    LabelSelector followers = follower.getSpec().getSelector();
    if (!verdict.allowed()) {
      return new Wanted.Spec(Made.PODS_SUFFIX, closed(Made.PODS_SUFFIX, followers));
    }
    PodDisruptionBudgetSpec spec = open(followers);
    int pods = Snapshot.nodes(follower);
    spec.setMinAvailable(
        new IntOrString(Math.max(0, pods - scaled(seen.disruption().maxUnavailable(), pods))));
    return new Wanted.Spec(Made.PODS_SUFFIX, spec);
  }

  /// What lets nothing go: closed means closed, also for a pod that does not run yet.
  private static PodDisruptionBudgetSpec closed(String suffix, LabelSelector pods) {
    PodDisruptionBudgetSpec spec = new PodDisruptionBudgetSpec();
    spec.setSelector(pods);
    spec.setUnhealthyPodEvictionPolicy("IfHealthyBudget");
    if (suffix.equals(Made.NODES_SUFFIX)) {
      spec.setMaxUnavailable(NONE);
    } else {
      spec.setMinAvailable(new IntOrString(MORE_THAN_ALL));
    }
    return spec;
  }

  /// What lets some go, how many is still to be said. A broken pod must not block its own node.
  private static PodDisruptionBudgetSpec open(LabelSelector pods) {
    PodDisruptionBudgetSpec spec = new PodDisruptionBudgetSpec();
    spec.setSelector(pods);
    spec.setUnhealthyPodEvictionPolicy("AlwaysAllow");
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
        Objects.equals(wanted.getMaxUnavailable(), NONE)
            || Objects.equals(wanted.getMinAvailable(), new IntOrString(MORE_THAN_ALL));
    boolean raised =
        wanted.getMinAvailable() != null
            && actual.getMinAvailable() != null
            && actual.getMinAvailable().getStrVal() == null
            && wanted.getMinAvailable().getIntVal() > actual.getMinAvailable().getIntVal();
    return !closed && !raised;
  }

  private static PodDisruptionBudget budget(
      Companion companion,
      String suffix,
      PodDisruptionBudgetSpec spec,
      Optional<PodDisruptionBudget> actual) {
    PodDisruptionBudget budget =
        new PodDisruptionBudgetBuilder()
            .withMetadata(Made.metadata(companion, suffix))
            .withSpec(spec)
            .build();
    // The spec that was read before everything else: whoever wrote in between decided on newer
    // facts.
    actual.map(PodDisruptionBudget::getMetadata).ifPresent(it -> fence(budget.getMetadata(), it));
    return budget;
  }

  private static void fence(ObjectMeta wanted, ObjectMeta actual) {
    wanted.setResourceVersion(actual.getResourceVersion());
    wanted.setUid(actual.getUid());
    wanted.setGeneration(actual.getGeneration());
  }
}
