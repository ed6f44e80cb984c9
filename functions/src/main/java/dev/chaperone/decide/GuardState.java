package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus.DrainedNodes;
import dev.chaperone.api.CompanionStatus.GuardCount;
import dev.chaperone.api.CompanionStatus.UnguardedNode;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// How the guards are now: which nodes run the target, and which of those no budget protects.
///
/// @param waiting guards without a node
/// @param unguarded nodes that run the target and have no running guard, and are not drained
/// @param drained nodes that run the target and have lost their guard to a drain, sorted
/// @param unready nodes with a running guard that is not ready, as far as they are known
/// @param out nodes whose target pod does not run, for a while, nor a guard
/// @param outdated whether some of them are of an older template
/// @param allReady whether each guard that runs is ready, so that a budget counts it
record GuardState(
    GuardCount count,
    List<Pod> waiting,
    List<UnguardedNode> unguarded,
    List<String> drained,
    Set<String> unready,
    Set<String> out,
    boolean outdated,
    boolean allReady) {

  private static final GuardState NONE =
      new GuardState(
          new GuardCount(0, 0, 0),
          List.of(),
          List.of(),
          List.of(),
          Set.of(),
          Set.of(),
          false,
          true);

  static GuardState of(Snapshot seen) {
    if (!seen.protects(Protect.Nodes)) {
      return NONE;
    }
    Deployment deployment = seen.ownGuards();
    List<Pod> waiting = seen.waiting();
    Map<String, Pod> starting = starting(seen);
    Roster roster = seen.roster();
    Set<String> missing;
    GuardCount count;
    if (roster.complete()) {
      Set<String> running = roster.runningGuardNodes();
      missing = roster.targetNodes();
      int desired = missing.size();
      missing.removeAll(running);
      Set<String> bound = roster.guardedNodes();
      bound.retainAll(roster.targetNodes());
      count = new GuardCount(desired, bound.size(), desired - missing.size());
    } else {
      missing = new TreeSet<>(roster.unguardedNodes());
      missing.addAll(starting.keySet());
      int desired = desired(seen, deployment);
      int bound = Math.clamp(Counts.replicas(deployment) - waiting.size(), 0, desired);
      count = new GuardCount(desired, bound, Math.max(0, bound - starting.size()));
    }
    // Of the few nodes, each that is not new has had its guard.
    int givenBack =
        !roster.complete()
            ? roster.nodesWithoutGuard().size()
                - FewNodes.of(seen).map(FewNodes::newWithoutGuard).orElse(0)
            : deployment == null
                ? 0
                : GuardDeployment.replicas(deployment) - roster.guardedNodes().size();
    List<String> drained = drained(seen, missing, starting.keySet(), givenBack);
    Map<String, Pod> ended = roster.endedByNode();
    List<UnguardedNode> unguarded =
        missing.stream()
            .filter(node -> !drained.contains(node))
            .map(
                node ->
                    new UnguardedNode(node, why(seen, node, starting.get(node), ended.get(node))))
            .toList();
    int ready = Counts.ready(deployment);
    return new GuardState(
        count,
        waiting,
        unguarded,
        drained,
        roster.unreadyGuardNodes(),
        roster.nodesOutSince(seen.now().minus(Roster.TARGET_GRACE)),
        isOutdated(deployment),
        ready >= Counts.replicas(deployment) - waiting.size() - starting.size());
  }

  /// How many nodes run the target, where not all of them were read: each that was not does.
  private static int desired(Snapshot seen, @Nullable Deployment deployment) {
    int wanted = deployment == null ? 0 : GuardDeployment.replicas(deployment);
    if (seen.target() == null || deployment == null || !FewNodes.showEveryNode(seen)) {
      return wanted;
    }
    Set<String> startingTarget = seen.roster().nodesWithoutGuard();
    startingTarget.removeAll(seen.roster().unguardedNodes());
    return Counts.nodes(seen.target()) - startingTarget.size();
  }

  /// Guards that have a node and do not run on it yet.
  private static Map<String, Pod> starting(Snapshot seen) {
    return seen.notRunning().stream()
        .filter(pod -> Roster.nodeOf(pod) != null)
        .filter(pod -> !Roster.isEnded(pod) && !Roster.isTerminating(pod))
        .collect(
            Collectors.toMap(Roster::nodeOf, Function.identity(), (one, _) -> one, TreeMap::new));
  }

  /// A drained node has given its guard back. A node that never had a guard has not, or was named
  /// as unguarded before it was emptied.
  ///
  /// @param givenBack how many guards have no node
  private static List<String> drained(
      Snapshot seen, Set<String> missing, Set<String> starting, int givenBack) {
    Set<String> never =
        Stream.ofNullable(seen.status().unguardedNodes())
            .flatMap(List::stream)
            .map(UnguardedNode::name)
            .collect(Collectors.toSet());
    DrainedNodes before = seen.status().drainedNodes();
    List<String> candidates =
        missing.stream()
            .filter(node -> !starting.contains(node) && seen.isBeingEmptied(node))
            .filter(node -> !never.contains(node))
            .toList();
    List<String> known =
        candidates.stream().filter(it -> before != null && before.nodes().contains(it)).toList();
    return Stream.concat(
            known.stream(),
            candidates.stream()
                .filter(it -> !known.contains(it))
                .limit(Math.max(0, givenBack - known.size())))
        .sorted()
        .toList();
  }

  private static String why(
      Snapshot seen, String name, @Nullable Pod starting, @Nullable Pod ended) {
    if (starting != null) {
      String words = Roster.why(starting);
      return "guard %s does not run yet%s"
          .formatted(starting.getMetadata().getName(), words.isEmpty() ? "" : ": " + words);
    }
    if (ended != null) {
      String words = Roster.why(ended);
      return "guard %s has ended%s; it is replaced at the next resync"
          .formatted(ended.getMetadata().getName(), words.isEmpty() ? "" : ": " + words);
    }
    Optional<Node> node = seen.roster().node(name);
    if (node.filter(Roster::isCordoned).isPresent()) {
      return "cordoned before it had a guard: uncordon it to protect it";
    }
    return node.flatMap(
            it -> seen.target() == null ? Optional.empty() : Taints.refusal(it, seen.target()))
        .map(taint -> "no guard is put on it because of its taint " + taint)
        .orElse(
            seen.isBeingEmptied(name)
                ? "its guard was taken away while it was tainted: it gets another without the taint"
                : "its guard is not there yet");
  }

  /// Nodes that cannot be evicted from now, for people who ask who used up maxUnavailable.
  List<String> unavailable() {
    List<String> nodes = new ArrayList<>();
    drained.forEach(node -> nodes.add(node + " (drained)"));
    unguarded.forEach(node -> nodes.add(node.name() + " (" + node.message() + ")"));
    unready.forEach(node -> nodes.add(node + " (guard not ready)"));
    out.forEach(node -> nodes.add(node + " (no running target pod)"));
    return nodes;
  }

  private static boolean isOutdated(@Nullable Deployment deployment) {
    if (deployment == null) {
      return false;
    }
    if (Counts.isStale(deployment)) {
      // One that was resumed may be replacing some already, whatever was counted before.
      return !GuardDeployment.isPaused(deployment) && Counts.replicas(deployment) > 0;
    }
    return Counts.updated(deployment) < Counts.replicas(deployment);
  }
}
