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
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The two budgets: one over the guards, which drains run into, and one over the follower's pods,
/// for evictions of those by themselves.
///
/// @param closing what takes room away, to be written before anything else
/// @param opening what gives room, to be written after everything else
/// @param wanted the budgets that there should be, by name
record BudgetPlan(
    List<Change> closing, List<Change> opening, List<String> wanted, Optional<Finding> problem) {

  /// More than any cluster has pods. Counted against pods, it lets nothing go whatever happens to
  /// them and to their Deployment; with maxUnavailable 0, each pod above the replicas could go. For
  /// pods of a DaemonSet Kubernetes works out nothing but an integer minAvailable.
  private static final IntOrString MORE_THAN_ALL = new IntOrString(Integer.MAX_VALUE);

  /// The reasons that are known before anything else is read.
  private static final Set<Reason> KNOWN =
      Set.of(Reason.AlwaysHold, Reason.Hold, Reason.OutsideWindow, Reason.SpecUnreadable);

  static BudgetPlan of(Snapshot seen, Verdict verdict, Reasons reasons, int guards) {
    List<Change> closing = new ArrayList<>();
    List<Change> opening = new ArrayList<>();
    List<String> names = new ArrayList<>();
    List<String> taken = new ArrayList<>();
    for (Wanted wanted :
        List.of(nodes(seen, verdict, reasons, guards), pods(seen, verdict, reasons))) {
      String name = seen.ref().name() + wanted.suffix();
      Optional<PodDisruptionBudget> actual = seen.budget(name);
      if (actual.isPresent() && !Made.isOurs(actual.get(), seen.companion())) {
        taken.add(name);
      } else {
        switch (wanted) {
          case Wanted.Leave leave -> actual.ifPresent(_ -> names.add(name));
          case Wanted.Gone gone -> actual.map(Change.Delete::new).ifPresent(opening::add);
          case Wanted.Spec spec -> {
            names.add(name);
            String closedFor = verdict.allowed() ? null : closedFor(reasons.blocking());
            PodDisruptionBudget budget =
                budget(seen.companion(), spec.suffix(), spec.spec(), closedFor);
            if (actual.isEmpty()) {
              // Without it everything may go, so making it takes room away, whatever it says.
              closing.add(new Change.Create(budget));
            } else if (!isSo(actual.get(), budget)) {
              (gives(actual.get().getSpec(), spec.spec()) ? opening : closing)
                  .add(new Change.Replace(budget, actual.get()));
            }
          }
        }
      }
    }
    return new BudgetPlan(
        closing,
        opening,
        names,
        taken.isEmpty()
            ? Optional.empty()
            : Optional.of(
                Finding.bad(
                    Reason.NameTaken,
                    "PodDisruptionBudget %s in namespace %s already exists and is not owned by this Companion: delete it or rename the Companion"
                        .formatted(String.join(", ", taken), seen.ref().namespace()))));
  }

  /// What closes those of the Companion's budgets that are open, or were closed for others of the
  /// reasons that are known.
  static List<Change> closing(
      Companion companion, List<PodDisruptionBudget> budgets, List<HoldReason> known) {
    List<Change> closing = new ArrayList<>();
    String hash = Drift.hash(ids(known, true));
    for (PodDisruptionBudget actual : budgets) {
      if (Made.isOurs(actual, companion)) {
        String before = Objects.requireNonNullElse(closedFor(actual), "");
        if (!isClosed(actual.getSpec()) || !before.startsWith(hash + ".")) {
          String suffix =
              actual.getMetadata().getName().substring(companion.getMetadata().getName().length());
          String rest =
              before.contains(".")
                  ? before.substring(before.indexOf('.') + 1)
                  : Drift.hash(List.of());
          closing.add(
              new Change.Replace(
                  budget(
                      companion, suffix, closed(actual.getSpec().getSelector()), hash + "." + rest),
                  actual));
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

  private static Wanted nodes(Snapshot seen, Verdict verdict, Reasons reasons, int replicas) {
    if (!seen.protects(Protect.Nodes)) {
      return new Wanted.Gone(Made.NODES_SUFFIX);
    }
    LabelSelector guards =
        new LabelSelectorBuilder().withMatchLabels(Made.guardSelector(seen.companion())).build();
    if (seen.isWithoutTarget()) {
      return withoutTarget(Made.NODES_SUFFIX, guards, seen, verdict, reasons);
    }
    if (!verdict.allowed()) {
      return new Wanted.Spec(Made.NODES_SUFFIX, closed(guards));
    }
    // It is open although they are there only with AlwaysAllow. They must not be what stays.
    int foreign = (int) Reasons.foreignGuardPods(seen).filter(Roster::isReady).count();
    return new Wanted.Spec(Made.NODES_SUFFIX, open(guards, replicas, foreign, seen));
  }

  private static Wanted pods(Snapshot seen, Verdict verdict, Reasons reasons) {
    if (!seen.protects(Protect.Pods)
        || seen.spec().followerRef() == null
        || PlacementPlan.rival(seen).isPresent()) {
      return new Wanted.Gone(Made.PODS_SUFFIX);
    }
    DaemonSet follower = seen.follower();
    if (follower == null) {
      // Pods of a DaemonSet that is being replaced may still run.
      return seen.budget(seen.ref().name() + Made.PODS_SUFFIX)
          .filter(_ -> !verdict.allowed())
          .<Wanted>map(it -> new Wanted.Spec(Made.PODS_SUFFIX, closed(it.getSpec().getSelector())))
          .orElse(new Wanted.Leave(Made.PODS_SUFFIX));
    }
    LabelSelector followers = follower.getSpec().getSelector();
    if (seen.isWithoutTarget()) {
      return withoutTarget(Made.PODS_SUFFIX, followers, seen, verdict, reasons);
    }
    if (!verdict.allowed()) {
      return new Wanted.Spec(Made.PODS_SUFFIX, closed(followers));
    }
    return new Wanted.Spec(Made.PODS_SUFFIX, open(followers, Snapshot.nodes(follower), 0, seen));
  }

  /// What is there stays until the target is gone for good, and closed while anything holds.
  private static Wanted withoutTarget(
      String suffix, LabelSelector pods, Snapshot seen, Verdict verdict, Reasons reasons) {
    if (verdict.allowed() && reasons.targetIsGone()) {
      return new Wanted.Gone(suffix);
    }
    return verdict.allowed() || seen.budget(seen.ref().name() + suffix).isEmpty()
        ? new Wanted.Leave(suffix)
        : new Wanted.Spec(suffix, closed(pods));
  }

  /// What lets nothing go, also no pod that runs and is not ready.
  private static PodDisruptionBudgetSpec closed(LabelSelector pods) {
    PodDisruptionBudgetSpec spec = new PodDisruptionBudgetSpec();
    spec.setSelector(pods);
    spec.setUnhealthyPodEvictionPolicy("IfHealthyBudget");
    spec.setMinAvailable(MORE_THAN_ALL);
    return spec;
  }

  /// Whether the spec lets nothing go, whatever happens to the pods.
  static boolean isClosed(PodDisruptionBudgetSpec spec) {
    return MORE_THAN_ALL.equals(spec.getMinAvailable())
        && !"AlwaysAllow".equals(spec.getUnhealthyPodEvictionPolicy());
  }

  /// Whether Kubernetes has counted for the budget's present spec.
  static boolean isCounted(PodDisruptionBudget budget) {
    return budget.getStatus() != null
        && budget.getStatus().getObservedGeneration() != null
        && budget.getStatus().getObservedGeneration() >= budget.getMetadata().getGeneration();
  }

  /// What lets maxUnavailable of so many pods go, counted against pods: with maxUnavailable itself,
  /// Kubernetes counts against the replicas, and whoever scales the guards down would let the rest
  /// go. A broken pod must not block its own node.
  ///
  /// @param others pods that the selector finds as well
  private static PodDisruptionBudgetSpec open(
      LabelSelector selector, int pods, int others, Snapshot seen) {
    PodDisruptionBudgetSpec spec = new PodDisruptionBudgetSpec();
    spec.setSelector(selector);
    spec.setUnhealthyPodEvictionPolicy("AlwaysAllow");
    spec.setMinAvailable(
        new IntOrString(
            others + Math.max(0, pods - scaled(seen.disruption().maxUnavailable(), pods))));
    return spec;
  }

  /// As Kubernetes scales a PodDisruptionBudget's percentages: rounded up.
  static int scaled(IntOrString number, int total) {
    if (number.getStrVal() == null) {
      return number.getIntVal();
    }
    int percent = Integer.parseInt(number.getStrVal().replace("%", ""));
    return Math.ceilDiv(percent * total, 100);
  }

  private static boolean isSo(PodDisruptionBudget actual, PodDisruptionBudget wanted) {
    return actual.getSpec().equals(wanted.getSpec())
        && Objects.equals(closedFor(actual), closedFor(wanted));
  }

  /// Whether the wanted spec may let go more than the actual one does.
  private static boolean gives(PodDisruptionBudgetSpec actual, PodDisruptionBudgetSpec wanted) {
    boolean raised =
        wanted.getMinAvailable() != null
            && actual.getMinAvailable() != null
            && actual.getMinAvailable().getStrVal() == null
            && wanted.getMinAvailable().getIntVal() > actual.getMinAvailable().getIntVal();
    return !isClosed(wanted) && !raised;
  }

  /// Which reasons a budget is closed for: those that are known early, and the others.
  private static String closedFor(List<HoldReason> reasons) {
    return Drift.hash(ids(reasons, true)) + "." + Drift.hash(ids(reasons, false));
  }

  private static @Nullable String closedFor(PodDisruptionBudget budget) {
    Map<String, String> annotations = budget.getMetadata().getAnnotations();
    return annotations == null ? null : annotations.get(Made.CLOSED_FOR);
  }

  private static List<String> ids(List<HoldReason> reasons, boolean known) {
    return reasons.stream()
        .filter(it -> KNOWN.contains(it.type()) == known)
        .map(it -> it.type() + "/" + it.name() + "/" + it.id())
        .sorted()
        .toList();
  }

  private static PodDisruptionBudget budget(
      Companion companion,
      String suffix,
      PodDisruptionBudgetSpec spec,
      @Nullable String closedFor) {
    ObjectMeta metadata = Made.metadata(companion, suffix);
    if (closedFor != null) {
      metadata.setAnnotations(Map.of(Made.CLOSED_FOR, closedFor));
    }
    return new PodDisruptionBudgetBuilder().withMetadata(metadata).withSpec(spec).build();
  }
}
