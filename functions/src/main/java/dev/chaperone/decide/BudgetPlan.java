package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Protect;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.LabelSelector;
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
import org.jspecify.annotations.Nullable;

/// The budgets: one over the guards, which drains run into, one over the follower's pods, for
/// evictions of those by themselves, and, where nodes are held by themselves or unhealthy ones may
/// go before others, one over the guards of each.
///
/// @param closing what takes room away, to be written before anything else
/// @param opening what gives room, to be written after everything else
/// @param wanted the budgets that there should be and that close for what blocks every node, by
///     name
record BudgetPlan(
    List<Change> closing, List<Change> opening, List<String> wanted, Optional<Finding> problem) {

  static BudgetPlan of(
      Snapshot seen,
      Verdict verdict,
      Reasons reasons,
      HeldNodes held,
      UnhealthyNodes unhealthy,
      int guards) {
    List<Change> closing = new ArrayList<>();
    List<Change> opening = new ArrayList<>();
    List<String> names = new ArrayList<>();
    List<String> taken = new ArrayList<>();
    List<Wanted> all = new ArrayList<>();
    all.add(held(seen, held));
    if (UnhealthyNodes.haveBudget(seen)) {
      all.add(unhealthy(seen, verdict, reasons, unhealthy));
    }
    all.add(nodes(seen, verdict, reasons, held, unhealthy, guards));
    all.add(pods(seen, verdict, reasons));
    for (Wanted wanted : all) {
      String name = seen.ref().name() + wanted.suffix();
      Optional<PodDisruptionBudget> actual = seen.budget(name);
      if (actual.isPresent() && !Made.isOurs(actual.get(), seen.companion())) {
        taken.add(name);
      } else {
        switch (wanted) {
          case Wanted.Leave leave -> actual.ifPresent(_ -> names.add(name));
          case Wanted.Gone gone -> actual.map(Change.Delete::new).ifPresent(opening::add);
          case Wanted.Spec spec -> {
            if (spec.blocksAll()) {
              names.add(name);
            }
            PodDisruptionBudget budget =
                budget(seen.companion(), spec.suffix(), spec.spec(), spec.closedFor());
            if (actual.isEmpty()) {
              // Without it everything may go, so making it takes room away, whatever it says.
              closing.add(new Change.Create(budget));
            } else if (!isSo(actual.get(), budget)) {
              (gives(actual.get(), budget) ? opening : closing)
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
                    (taken.size() == 1
                            ? "PodDisruptionBudget %s in namespace %s already exists and is not owned by this Companion: delete it or rename the Companion"
                            : "PodDisruptionBudgets %s in namespace %s already exist and are not owned by this Companion: delete them or rename the Companion")
                        .formatted(String.join(", ", taken), seen.ref().namespace()))));
  }

  /// What closes those of the Companion's budgets that are open, or were closed for others of the
  /// reasons that are known early.
  ///
  /// @param known those there are, each of them [Reason#isEarly]
  static List<Change> closing(
      Companion companion, List<PodDisruptionBudget> budgets, List<HoldReason> known) {
    List<Change> closing = new ArrayList<>();
    String hash = Drift.hash(ids(known, true));
    for (PodDisruptionBudget actual : budgets) {
      if (Made.isOurs(actual, companion)) {
        String before = Objects.requireNonNullElse(UnhealthyNote.without(actual), "");
        if (!BudgetSpecs.isClosed(actual.getSpec()) || !before.startsWith(hash + ".")) {
          String suffix =
              actual.getMetadata().getName().substring(companion.getMetadata().getName().length());
          String rest =
              before.contains(".")
                  ? before.substring(before.indexOf('.') + 1)
                  : Drift.hash(List.of());
          closing.add(
              new Change.Replace(
                  budget(
                      companion,
                      suffix,
                      BudgetSpecs.closed(actual.getSpec().getSelector()),
                      UnhealthyNote.with(UnhealthyNote.of(actual), hash + "." + rest)),
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

    /// There is to be one that says this.
    ///
    /// @param closedFor as [Made#CLOSED_FOR]
    /// @param blocksAll whether it closes for what blocks every node
    record Spec(
        String suffix, PodDisruptionBudgetSpec spec, @Nullable String closedFor, boolean blocksAll)
        implements Wanted {
      Spec(String suffix, PodDisruptionBudgetSpec spec, @Nullable String closedFor) {
        this(suffix, spec, closedFor, true);
      }
    }
  }

  /// Over the guards of held nodes, always closed. Once made, it stays: a guard may be on its way
  /// to it for one who has not yet seen that a Hold has ended.
  private static Wanted held(Snapshot seen, HeldNodes held) {
    if (!seen.protects(Protect.Nodes)) {
      return new Wanted.Gone(Made.HELD_SUFFIX);
    }
    LabelSelector guards = GuardLabels.held(seen.companion());
    return held.isNothing()
        ? unused(seen, Made.HELD_SUFFIX, guards)
        : new Wanted.Spec(Made.HELD_SUFFIX, BudgetSpecs.closed(guards), held.fence(), false);
  }

  private static Wanted unused(Snapshot seen, String suffix, LabelSelector guards) {
    return seen.budget(seen.ref().name() + suffix).isPresent()
        ? new Wanted.Spec(suffix, BudgetSpecs.unused(guards), null, false)
        : new Wanted.Leave(suffix);
  }

  /// Over the guards of unhealthy nodes that may go before others, open whenever nothing blocks
  /// every node. Once made, it stays for the same reason.
  private static Wanted unhealthy(
      Snapshot seen, Verdict verdict, Reasons reasons, UnhealthyNodes unhealthy) {
    String suffix = Made.UNHEALTHY_SUFFIX;
    if (!seen.protects(Protect.Nodes)) {
      return new Wanted.Gone(suffix);
    }
    LabelSelector guards = GuardLabels.unhealthy(seen.companion());
    if (!seen.letsUnhealthyNodesGo()) {
      return unhealthy.isNothing()
          ? unused(seen, suffix, guards)
          : new Wanted.Spec(suffix, BudgetSpecs.closed(guards), null);
    }
    if (seen.isWithoutTarget()) {
      return withoutTarget(suffix, guards, seen, verdict, reasons, null);
    }
    return verdict.allowed()
        ? new Wanted.Spec(suffix, BudgetSpecs.free(guards), null)
        : new Wanted.Spec(suffix, BudgetSpecs.closed(guards), closedFor(reasons.blocking()));
  }

  private static Wanted nodes(
      Snapshot seen,
      Verdict verdict,
      Reasons reasons,
      HeldNodes held,
      UnhealthyNodes unhealthy,
      int replicas) {
    if (!seen.protects(Protect.Nodes)) {
      return new Wanted.Gone(Made.NODES_SUFFIX);
    }
    LabelSelector guards = GuardLabels.together(seen.companion(), UnhealthyNodes.haveBudget(seen));
    if (seen.isWithoutTarget()) {
      return withoutTarget(Made.NODES_SUFFIX, guards, seen, verdict, reasons, unhealthy.note());
    }
    if (!verdict.allowed()) {
      return new Wanted.Spec(
          Made.NODES_SUFFIX,
          BudgetSpecs.closed(guards),
          UnhealthyNote.with(unhealthy.note(), closedFor(reasons.blocking())));
    }
    return new Wanted.Spec(
        Made.NODES_SUFFIX,
        open(guards, seen, held, unhealthy, replicas),
        UnhealthyNote.with(unhealthy.note(), held.fence()));
  }

  private static PodDisruptionBudgetSpec open(
      LabelSelector guards, Snapshot seen, HeldNodes held, UnhealthyNodes unhealthy, int replicas) {
    // It is open although they are there only with AlwaysAllow. They must not be what stays.
    int foreign = (int) Reasons.foreignGuardPods(seen).filter(Roster::isReady).count();
    int more = foreign + unhealthy.onTheWay();
    IntOrString all = seen.disruption().maxUnavailable();
    // Of several failure domains one node goes in total, until all others are held.
    IntOrString some = seen.disruption().topologyKey() == null ? all : new IntOrString(1);
    PodDisruptionBudgetSpec together =
        BudgetSpecs.openBut(guards, replicas, 0, more, some, replicas);
    // It asks for less only for guards that were seen to have moved after it was fenced.
    Optional<PodDisruptionBudget> fenced =
        seen.budget(seen.ref().name() + Made.NODES_SUFFIX)
            .filter(it -> Objects.equals(UnhealthyNote.without(it), held.fence()));
    if (fenced.isEmpty()) {
      return together;
    }
    int apart = held.apart();
    PodDisruptionBudgetSpec rest =
        !held.domains().held().isEmpty() && held.alone()
            ? BudgetSpecs.openBut(guards, replicas, apart, more, all, replicas - apart)
            : BudgetSpecs.openBut(guards, replicas, apart, more, some, replicas);
    // Until all are counted where they are now, it asks for no less than it does.
    return held.counted()
        ? rest
        : BudgetSpecs.askingFor(
            rest,
            Math.max(
                BudgetSpecs.asksFor(rest),
                Math.min(
                    BudgetSpecs.asksFor(fenced.get().getSpec()), BudgetSpecs.asksFor(together))));
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
          .<Wanted>map(
              it ->
                  new Wanted.Spec(
                      Made.PODS_SUFFIX,
                      BudgetSpecs.closed(it.getSpec().getSelector()),
                      closedFor(reasons.blocking())))
          .orElse(new Wanted.Leave(Made.PODS_SUFFIX));
    }
    LabelSelector followers = follower.getSpec().getSelector();
    if (seen.isWithoutTarget()) {
      return withoutTarget(Made.PODS_SUFFIX, followers, seen, verdict, reasons, null);
    }
    if (!verdict.allowed()) {
      return new Wanted.Spec(
          Made.PODS_SUFFIX, BudgetSpecs.closed(followers), closedFor(reasons.blocking()));
    }
    return new Wanted.Spec(
        Made.PODS_SUFFIX,
        BudgetSpecs.open(followers, Counts.nodes(follower), 0, seen.disruption().maxUnavailable()),
        null);
  }

  /// What is there stays until the target is gone for good, and closed while anything holds.
  ///
  /// @param note as in [UnhealthyNodes]
  private static Wanted withoutTarget(
      String suffix,
      LabelSelector pods,
      Snapshot seen,
      Verdict verdict,
      Reasons reasons,
      @Nullable String note) {
    if (verdict.allowed() && reasons.targetIsGone()) {
      return new Wanted.Gone(suffix);
    }
    return verdict.allowed() || seen.budget(seen.ref().name() + suffix).isEmpty()
        ? new Wanted.Leave(suffix)
        : new Wanted.Spec(
            suffix,
            BudgetSpecs.closed(pods),
            UnhealthyNote.with(note, closedFor(reasons.blocking())));
  }

  /// Whether writing it gives room, or takes a note away that would keep others from giving it. A
  /// fence alone is one for what opens after it.
  private static boolean gives(PodDisruptionBudget actual, PodDisruptionBudget wanted) {
    return (BudgetSpecs.gives(actual.getSpec(), wanted.getSpec())
            && !actual.getSpec().equals(wanted.getSpec()))
        || (UnhealthyNote.of(actual) != null && UnhealthyNote.of(wanted) == null);
  }

  private static boolean isSo(PodDisruptionBudget actual, PodDisruptionBudget wanted) {
    return actual.getSpec().equals(wanted.getSpec())
        && Objects.equals(Made.closedFor(actual), Made.closedFor(wanted));
  }

  /// Which reasons a budget is closed for: those that are known early, and the others.
  private static String closedFor(List<HoldReason> reasons) {
    return Drift.hash(ids(reasons, true)) + "." + Drift.hash(ids(reasons, false));
  }

  private static List<String> ids(List<HoldReason> reasons, boolean early) {
    return reasons.stream()
        .filter(it -> it.type().isEarly() == early)
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
