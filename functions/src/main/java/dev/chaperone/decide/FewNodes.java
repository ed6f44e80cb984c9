package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus.BlockingReason;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/// Whether what was read of a few nodes shows what is to be done about all of them, by what
/// Kubernetes' own controllers have counted: each node that was not read was seen with its guard
/// before, and as many guards run there as there are such nodes.
///
/// What no count shows, only a resync sees: a node that leaves the target while another comes.
///
/// @param deployment of the guards
public record FewNodes(Snapshot seen, Deployment deployment, DaemonSet target) {

  /// Empty: the target, or the guards, do not exist.
  static Optional<FewNodes> of(Snapshot seen) {
    return seen.guards() == null || seen.target() == null
        ? Optional.empty()
        : Optional.of(new FewNodes(seen, seen.guards(), seen.target()));
  }

  /// Whether the nodes that were read do not show what is to be done. Only then is reading every
  /// node worth its price; a pulse looks in any case, because it heals what no count shows.
  public static boolean needEveryNode(Snapshot seen) {
    return areAllThatWasRead(seen) && of(seen).filter(FewNodes::explain).isEmpty();
  }

  /// Whether some more nodes may explain what the few do not, if somebody names them: those that
  /// are new, and those that were without a guard when last looked.
  ///
  /// @param few of how many nodes a look at each costs less than one at all
  public static boolean needFewMore(Snapshot seen, int few) {
    return areAllThatWasRead(seen)
        && of(seen).filter(it -> !it.explain() && it.mayWithMore(few)).isPresent();
  }

  /// Whether of each node is known whether it has its guard: the few show it, or every node was
  /// read.
  static boolean showEveryNode(Snapshot seen) {
    return seen.target() != null && seen.protects(Protect.Nodes) && !needEveryNode(seen);
  }

  private static boolean areAllThatWasRead(Snapshot seen) {
    return seen.target() != null && seen.protects(Protect.Nodes) && !seen.roster().complete();
  }

  /// Whether the nodes that were read explain the guards.
  boolean explain() {
    return mayExplain()
        && addUp()
        && eachGuardIsInItsPlace()
        && seen.toldUnguarded().stream().allMatch(known()::contains);
  }

  /// Whether each guard that was read is the only one on its node, beside a pod of the target:
  /// counts take that for granted, and only who has seen every node takes others away.
  private boolean eachGuardIsInItsPlace() {
    Roster roster = seen.roster();
    return roster.doubled().isEmpty()
        && roster.idle().stream().allMatch(it -> roster.node(Roster.nodeOf(it)).isEmpty());
  }

  /// Whether more nodes, that somebody names, may do so.
  boolean mayWithMore(int few) {
    return mayExplain() && nodes() - wanted() <= few && seen.toldUnguarded().size() <= few;
  }

  /// Not, where only a look at every node shows what is to be done: the target's placement is not
  /// the one that the guards have been placed for, nodes have left it, somebody has scaled the
  /// guards, or a name is needed that no few nodes give.
  private boolean mayExplain() {
    return !seen.pulse()
        && seen.disruption().topologyKey() == null
        && !areOfUnhealthyNodes()
        && GuardDeployment.placedNodes(deployment, target).orElse(nodes() + 1) <= nodes()
        && wanted() <= nodes()
        && wanted() == desiredBefore()
        && seen.notRunning().stream().noneMatch(Roster::isEnded)
        && !countForeignGuards()
        && !areUsedUpByUnready();
  }

  /// Whether guards are to get a budget of their own, or have one: which, and how many, only who
  /// has seen every node knows.
  private boolean areOfUnhealthyNodes() {
    return (seen.letsUnhealthyNodesGo() && !Counts.everyPodIsReady(target))
        || seen.ownBudget(Made.NODES_SUFFIX).filter(it -> UnhealthyNote.of(it) != null).isPresent()
        || seen.roster().guards().stream().anyMatch(it -> GuardLabels.unhealthy(it) != null);
  }

  private int nodes() {
    return Counts.nodes(target);
  }

  private int wanted() {
    return GuardDeployment.replicas(deployment);
  }

  private int waiting() {
    return seen.waiting().size();
  }

  /// How many guards there should be when last looked; anybody can scale a Deployment.
  private int desiredBefore() {
    return seen.status().guards() == null ? wanted() : seen.status().guards().desired();
  }

  /// Whether as many nodes are without a guard as were read, and every new node is among those.
  ///
  /// A guard that was just made may be seen before the Deployment counts it. Where a node waits for
  /// it anyway, that makes no difference; nothing else is said to be guarded by it.
  private boolean addUp() {
    Roster roster = seen.roster();
    int without = roster.nodesWithoutGuard().size();
    int atMost = nodes() - Counts.replicas(deployment) + waiting();
    boolean allAreEmptied = roster.unguardedNodes().stream().allMatch(seen::isBeingEmptied);
    return newWithoutGuard() <= without
        && isKnownWhoWasDrained(without)
        && (allAreEmptied
            ? atMost <= without
            : nodes() - wanted() + waiting() <= without && without <= atMost);
  }

  /// How many of the nodes without a guard are new: of those that have come since each was last
  /// seen with its guard, some may have got theirs meanwhile.
  int newWithoutGuard() {
    return Math.max(0, newNodes() - justGuarded().size());
  }

  private int newNodes() {
    return nodes() - GuardDeployment.placedNodes(deployment, target).orElse(0);
  }

  /// Nodes that were without a running guard when last looked, and have one.
  private Set<String> justGuarded() {
    Set<String> nodes = seen.toldUnguarded();
    nodes.retainAll(seen.roster().guardedNodes());
    return nodes;
  }

  /// Whether of the nodes that are being emptied is known how many had a guard: not, where others
  /// have come, unless the guards that wait say the same.
  private boolean isKnownWhoWasDrained(int without) {
    Set<String> unknown = new TreeSet<>(seen.lostGuard());
    unknown.removeAll(seen.toldUnguarded());
    Optional.ofNullable(seen.status().drainedNodes())
        .ifPresent(it -> unknown.removeAll(it.nodes()));
    int givenBack = wanted() - Counts.replicas(deployment) + waiting();
    return newNodes() == 0 || unknown.isEmpty() || without - newWithoutGuard() == givenBack;
  }

  /// Nodes of which is known whether they have a guard.
  private Set<String> known() {
    Set<String> known = new TreeSet<>(seen.roster().nodes().keySet());
    seen.notRunning().stream().map(Roster::nodeOf).filter(Objects::nonNull).forEach(known::add);
    return known;
  }

  /// Whether the guards' budget counts more ready pods than there are guards, now or when last
  /// looked.
  private boolean countForeignGuards() {
    boolean before =
        Stream.ofNullable(seen.status().reasons())
            .flatMap(List::stream)
            .map(BlockingReason::type)
            .anyMatch(Reason.ForeignGuards.name()::equals);
    return before
        || counted()
            .map(
                budget ->
                    Counts.orZero(budget.getStatus().getCurrentHealthy())
                        > Counts.ready(deployment))
            .orElse(false);
  }

  /// Whether nothing may go although a budget is open, because guards run that are not ready. One
  /// that has just come may be so and not be counted yet.
  private boolean areUsedUpByUnready() {
    int running =
        Counts.replicas(deployment)
            - waiting()
            - (int) seen.notRunning().stream().filter(it -> Roster.nodeOf(it) != null).count();
    Set<String> justRunning = justGuarded();
    justRunning.retainAll(seen.roster().runningGuardNodes());
    return Counts.ready(deployment) < running - justRunning.size()
        && counted().filter(budget -> !BudgetSpecs.isClosed(budget.getSpec())).isPresent();
  }

  /// The guards' budget, once Kubernetes has counted for its present spec.
  private Optional<PodDisruptionBudget> counted() {
    return seen.budget(seen.ref().name() + Made.NODES_SUFFIX).filter(Counts::isCounted);
  }
}
