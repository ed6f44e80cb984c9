package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.Hold;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.DaemonSetStatus;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Everything that a [Decision] about one Companion may depend on, read once.
///
/// @param now read once per event
/// @param scope which namespaces could be read at all
/// @param pulse whether a pulse asked: only then is what a kubelet refused tried again
/// @param budgets every budget of the Companion's namespace, its own as [OwnBudgets] were
/// @param rivals other Companions of the namespace with the same companionRef
/// @param target absent: there is no such DaemonSet
/// @param follower the DaemonSet that companionRef names; absent: none named, or no such
///     DaemonSet
/// @param guards the guard Deployment; absent: not made yet
/// @param holds every Hold of the namespace that names this Companion, expired ones included
/// @param observed the objects that expressions may read, by the name that they have there
/// @param waiting guard pods that have no node
/// @param roster who is where: on a few nodes, or on all of them when [#needsEveryNode] said so
public record Snapshot(
    Instant now,
    Scope scope,
    boolean pulse,
    String guardImage,
    List<PodDisruptionBudget> budgets,
    Companion companion,
    List<Companion> rivals,
    @Nullable DaemonSet target,
    @Nullable DaemonSet follower,
    @Nullable Deployment guards,
    List<Hold> holds,
    Map<String, Observation> observed,
    List<Pod> waiting,
    Roster roster) {

  public CompanionRef ref() {
    return CompanionRef.of(companion);
  }

  CompanionSpec spec() {
    return companion.getSpec();
  }

  /// What was last said of the Companion.
  CompanionStatus status() {
    return companion.getStatus() == null ? CompanionStatus.NONE : companion.getStatus();
  }

  Disruption disruption() {
    return spec().disruption();
  }

  boolean protects(Protect what) {
    return disruption().protect().contains(what);
  }

  /// `namespace/name` of the target, whether it exists or not.
  String targetName() {
    return targetNamespace(companion) + "/" + spec().targetRef().name();
  }

  /// Whether there certainly is none.
  boolean isWithoutTarget() {
    return target == null && !targetIsElsewhere();
  }

  /// Whether the target cannot be read: it may exist, and its pods run.
  boolean targetIsElsewhere() {
    return !scope.covers(targetNamespace(companion));
  }

  /// What is said when there is no target.
  Finding withoutTarget() {
    return targetIsElsewhere()
        ? Finding.bad(
            "TargetElsewhere",
            "DaemonSet %s cannot be read, because Chaperone serves only namespace %s: name one of that namespace in targetRef, or install Chaperone for the whole cluster"
                .formatted(targetName(), scope.only()))
        : Finding.bad(
            "TargetMissing",
            "DaemonSet " + targetName() + " does not exist: create it, or correct targetRef");
  }

  /// The namespace in which the target of a Companion is looked for.
  public static String targetNamespace(Companion companion) {
    String namespace = companion.getSpec().targetRef().namespace();
    return namespace != null ? namespace : companion.getMetadata().getNamespace();
  }

  /// How many nodes run a target pod, or should: scheduled and misscheduled ones, because a taint
  /// that the target does not tolerate turns the first into the second while their pods run on.
  static int nodes(DaemonSet target) {
    return Optional.ofNullable(target.getStatus()).stream()
        .mapToInt(
            status ->
                orZero(status.getDesiredNumberScheduled()) + orZero(status.getNumberMisscheduled()))
        .sum();
  }

  /// Whether the DaemonSet controller has not yet counted for the spec as it is now.
  static boolean isStale(DaemonSet daemonSet) {
    Long generation = daemonSet.getMetadata().getGeneration();
    DaemonSetStatus status = daemonSet.getStatus();
    Long observed = status == null ? null : status.getObservedGeneration();
    return generation != null && (observed == null || observed < generation);
  }

  /// Whether each node that should run a pod of the DaemonSet has one.
  static boolean everyNodeRunsIts(DaemonSet daemonSet) {
    DaemonSetStatus status = daemonSet.getStatus();
    return status != null
        && orZero(status.getCurrentNumberScheduled()) == orZero(status.getDesiredNumberScheduled());
  }

  Optional<PodDisruptionBudget> budget(String name) {
    return budgets.stream().filter(b -> b.getMetadata().getName().equals(name)).findFirst();
  }

  /// Whether the few nodes do not explain the guards: one waits for a node that is not cordoned,
  /// there are more guards than nodes, or the target's placement is not the one that they have been
  /// placed for. Only then is reading every node worth its
  /// price; a pulse looks in any case, because it heals what no count shows.
  public boolean needsEveryNode() {
    if (target == null || guards == null || !protects(Protect.Nodes) || roster.complete()) {
      return false;
    }
    return pulse
        || GuardPlan.mayBeElsewhere(guards, target)
        || waiting.size() > roster.drainedNodes().size()
        || GuardPlan.replicas(guards) > nodes(target);
  }

  /// The same, with every node in the roster.
  public Snapshot with(Roster everyNode) {
    return new Snapshot(
        now,
        scope,
        pulse,
        guardImage,
        budgets,
        companion,
        rivals,
        target,
        follower,
        guards,
        holds,
        observed,
        waiting,
        everyNode);
  }

  private static int orZero(@Nullable Integer number) {
    return number == null ? 0 : number;
  }
}
