package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.BlockingReason;
import dev.chaperone.api.CompanionStatus.PlacementWrites;
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
/// @param roster who is where: on a few nodes, or on all of them when [#needsEveryNode] said so
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

  /// Whether the few nodes do not explain the guards: counts do not fit together, the target does
  /// not run on each of its nodes, the target's placement or number of nodes is not the one that
  /// the guards have been placed for, or a name is needed that the few do not give. Only then is
  /// reading every node worth its price; a pulse looks in any case, because it heals what no count
  /// shows.
  public boolean needsEveryNode() {
    if (target == null || !protects(Protect.Nodes) || roster.complete()) {
      return false;
    }
    Deployment deployment = guards;
    if (pulse || deployment == null || disruption().topologyKey() != null) {
      return true;
    }
    int wanted = GuardDeployment.replicas(deployment);
    int waiting = waiting().size();
    return GuardDeployment.mayBeElsewhere(deployment, target)
        || wanted != Counts.nodes(target)
        || wanted != desiredBefore(wanted)
        || wanted - Counts.replicas(deployment) + waiting > lostGuard().size()
        || notRunning.stream().anyMatch(Roster::isEnded)
        || hasUnexplainedNodes()
        || countsForeignGuards(deployment)
        || isUsedUpByUnready(deployment, waiting);
  }

  /// How many guards there should be when last looked; anybody can scale a Deployment.
  private int desiredBefore(int absent) {
    return status().guards() == null ? absent : status().guards().desired();
  }

  /// Whether a node was said to be unguarded of which the few nodes do not show whether it still
  /// is.
  private boolean hasUnexplainedNodes() {
    Set<String> explained = new TreeSet<>(lostGuard());
    notRunning.stream().map(Roster::nodeOf).filter(Objects::nonNull).forEach(explained::add);
    return Stream.ofNullable(status().unguardedNodes())
        .flatMap(List::stream)
        .anyMatch(node -> !explained.contains(node.name()));
  }

  /// Whether the guards' budget counts more ready pods than there are guards, now or when last
  /// looked.
  private boolean countsForeignGuards(Deployment deployment) {
    boolean before =
        Stream.ofNullable(status().reasons())
            .flatMap(List::stream)
            .map(BlockingReason::type)
            .anyMatch(Reason.ForeignGuards.name()::equals);
    return before
        || counted(ref().name() + Made.NODES_SUFFIX)
            .map(
                budget ->
                    Counts.orZero(budget.getStatus().getCurrentHealthy())
                        > Counts.ready(deployment))
            .orElse(false);
  }

  /// Whether nothing may go although a budget is open, because guards run that are not ready.
  private boolean isUsedUpByUnready(Deployment deployment, int waiting) {
    int running =
        Counts.replicas(deployment)
            - waiting
            - (int) notRunning.stream().filter(it -> Roster.nodeOf(it) != null).count();
    return Counts.ready(deployment) < running
        && counted(ref().name() + Made.NODES_SUFFIX)
            .filter(budget -> !BudgetSpecs.isClosed(budget.getSpec()))
            .isPresent();
  }

  /// The budget, once Kubernetes has counted for its present spec.
  private Optional<PodDisruptionBudget> counted(String name) {
    return budget(name).filter(Counts::isCounted);
  }

  /// The same, with every node in the roster.
  public Snapshot with(Roster everyNode) {
    return with(pulse, everyNode);
  }

  /// What a look would have seen that no pulse asked for.
  Snapshot ofCordonedNodes() {
    return with(false, roster.ofCordonedAnd(Holds.heldNodes(companion, holds)));
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
        other);
  }
}
