package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.PlacementWrites;
import dev.chaperone.api.CompanionStatus.UnguardedNode;
import dev.chaperone.api.Hold;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Everything that a [Decision] about one Companion may depend on, read once.
///
/// @param now read once per event
/// @param settings of the installation, among them which namespaces could be read at all
/// @param pulse whether a pulse asked: only then is what a kubelet refused tried again
/// @param budgets every budget of the Companion's namespace, its own as they were read before all
///     else
/// @param rivals other Companions of the namespace with the same followerRef
/// @param target absent: there is no such DaemonSet
/// @param follower the DaemonSet that followerRef names; absent: none named, or no such DaemonSet
/// @param guards the guard Deployment; absent: not made yet
/// @param holds every Hold of the namespace that names this Companion, expired ones included
/// @param observed the objects that expressions may read, by the name that they have there
/// @param notRunning guards in any phase but Running, with and without a node
/// @param placed what the status is to say once the placement is written that this run has tried to
///     write before; absent: it has not tried
/// @param evictions what asks Chaperone to respond
/// @param roster who is where: on a few nodes, or on all of them when [FewNodes#needEveryNode] says
///     so
public record Snapshot(
    Instant now,
    Settings settings,
    boolean pulse,
    List<PodDisruptionBudget> budgets,
    Companion companion,
    List<Companion> rivals,
    @Nullable DaemonSet target,
    @Nullable DaemonSet follower,
    @Nullable Deployment guards,
    List<Hold> holds,
    Map<String, Observation> observed,
    List<Pod> notRunning,
    @Nullable PlacementWrites placed,
    Evictions evictions,
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
    return settings.within(spec().disruption());
  }

  boolean protects(Protect what) {
    return disruption().protect().contains(what);
  }

  /// Whether unhealthy nodes may be drained although others have to wait.
  boolean letsUnhealthyNodesGo() {
    return protects(Protect.Nodes) && disruption().letsUnhealthyNodesGo();
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
    return !settings.scope().covers(targetNamespace(companion));
  }

  /// What is said when there is no target.
  Finding withoutTarget() {
    return targetIsElsewhere()
        ? Finding.bad(
            Reason.TargetElsewhere,
            "DaemonSet %s cannot be read, because Chaperone serves only namespace %s: name one of that namespace in targetRef, or install Chaperone for the whole cluster"
                .formatted(targetName(), settings.scope().only()))
        : Finding.bad(
            Reason.TargetNotFound,
            "DaemonSet " + targetName() + " does not exist: create it, or correct targetRef");
  }

  /// The namespace in which the target of a Companion is looked for.
  public static String targetNamespace(Companion companion) {
    String namespace = companion.getSpec().targetRef().namespace();
    return namespace != null ? namespace : companion.getMetadata().getNamespace();
  }

  /// Other Companions that name the same follower.
  ///
  /// @param all of its namespace, itself included
  public static List<Companion> rivals(Companion one, List<Companion> all) {
    var follower = one.getSpec().followerRef();
    return all.stream()
        .filter(it -> it.whyUnreadable().isEmpty())
        .filter(it -> follower != null && follower.equals(it.getSpec().followerRef()))
        .filter(it -> !it.getMetadata().getName().equals(one.getMetadata().getName()))
        .toList();
  }

  Optional<PodDisruptionBudget> budget(String name) {
    return budgets.stream().filter(b -> b.getMetadata().getName().equals(name)).findFirst();
  }

  /// The Companion's own budget with this suffix, if it is Chaperone's.
  Optional<PodDisruptionBudget> ownBudget(String suffix) {
    return budget(ref().name() + suffix).filter(it -> Made.isOurs(it, companion));
  }

  /// Whether Chaperone has made anything for the Companion that could block.
  boolean hasOwnObjects() {
    return ownGuards() != null
        || budgets.stream().anyMatch(budget -> Made.isOurs(budget, companion));
  }

  /// The guard Deployment, if it is Chaperone's.
  @Nullable Deployment ownGuards() {
    return guards != null && Made.isOurs(guards, companion) ? guards : null;
  }

  /// Guards that have no node and can get one.
  List<Pod> waiting() {
    return notRunning.stream()
        .filter(pod -> Roster.nodeOf(pod) == null)
        .filter(pod -> !Roster.isTerminating(pod) && !Roster.isEnded(pod))
        .toList();
  }

  /// Known nodes that run the target, are being emptied and have no guard.
  List<String> lostGuard() {
    return roster.unguardedNodes().stream().filter(this::isBeingEmptied).sorted().toList();
  }

  /// Whether somebody empties the node: no guard may be put on it, or the drain would never end. A
  /// taint that the target lives with says so only once a guard has been taken away beside it.
  boolean isBeingEmptied(String name) {
    return roster
        .node(name)
        .filter(
            node ->
                Roster.isCordoned(node)
                    || Taints.isDraining(node)
                    || (target != null
                        && Taints.isForeign(node, target)
                        && taintedNodes().contains(name)))
        .isPresent();
  }

  /// Nodes without a guard that may get one, sorted.
  List<String> bindableNodes() {
    if (target == null) {
      return List.of();
    }
    // Bound again at once it would be refused again at once: it waits for a pulse.
    Set<String> refusing =
        pulse
            ? Set.of()
            : roster.ended().stream()
                .map(Roster::nodeOf)
                .filter(Objects::nonNull)
                .collect(Collectors.toSet());
    return roster.unguardedNodes().stream()
        .filter(name -> !refusing.contains(name))
        .filter(name -> !isBeingEmptied(name))
        .filter(
            name ->
                roster
                    .node(name)
                    .filter(node -> Taints.refusal(node, target).isEmpty())
                    .isPresent())
        .sorted()
        .toList();
  }

  /// Tainted nodes that had a guard when last seen.
  Set<String> taintedNodes() {
    return Stream.ofNullable(status().taintedNodes())
        .flatMap(List::stream)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /// Whether there are nodes on which the target may not have started yet: more than there should
  /// be guards.
  public boolean expectsNodes() {
    return target != null
        && guards != null
        && Counts.nodes(target) > GuardDeployment.replicas(guards);
  }

  /// Nodes that were without a running guard when last looked, as far as the status names them.
  public Set<String> toldUnguarded() {
    return Stream.ofNullable(status().unguardedNodes())
        .flatMap(List::stream)
        .map(UnguardedNode::name)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /// The same, with more nodes in the roster.
  public Snapshot with(Roster more) {
    return with(pulse, more);
  }

  /// What a look would have seen that no pulse asked for.
  Snapshot ofCordonedNodes() {
    return with(false, roster.ofCordonedAnd(Holds.heldNodes(companion, holds, now, roster)));
  }

  private Snapshot with(boolean asPulse, Roster other) {
    return new Snapshot(
        now,
        settings,
        asPulse,
        budgets,
        companion,
        rivals,
        target,
        follower,
        guards,
        holds,
        observed,
        notRunning,
        placed,
        evictions,
        other);
  }
}
