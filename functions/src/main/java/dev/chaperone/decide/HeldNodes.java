package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus.UnguardedNode;
import io.fabric8.kubernetes.api.model.Pod;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The nodes that Holds block, each by itself, while the others may go.
///
/// The guard of such a node gets a label, and with it moves from the budget of all guards to one
/// that is always closed: in one write, so that it is never under both or under none. Guards move
/// only while both budgets are as they should be. The first budget asks for one guard less for each
/// that has moved, once Kubernetes has counted it under the second, not before; and for one more
/// before a guard moves back. It carries a hash of these Holds, so that nobody lets it ask for less
/// who has not seen them all.
///
/// @param reasons the Holds of each, by its name
/// @param domains besides, nodes of other failure domains than the one that is disrupted
/// @param guards those that have a node and have not ended, by its name
/// @param fence a hash of all that holds them, and since when; absent: none is held
/// @param marks what [Made#HELD_FOR] of the guard of each of them is to be, by its name
/// @param labels the same, by the name of the guard: also of one that waits and is meant for it
/// @param apart how many guards have moved, as they should, and are ready: one that is not uses up
///     maxUnavailable, as any other
/// @param counted whether Kubernetes has counted all that have moved where they are now, so that it
///     counts none of them with the others
/// @param alone whether these are all guards of held nodes, so that the others are by themselves
/// @param moves the labels that guards are to get and to lose, those of them for one look
record HeldNodes(
    SortedMap<String, List<HoldReason>> reasons,
    Domains domains,
    Map<String, List<Pod>> guards,
    @Nullable String fence,
    Map<String, String> marks,
    Map<String, String> labels,
    int apart,
    boolean counted,
    boolean alone,
    List<Change.SetApart> moves) {

  /// So many guards move within one look, within the time that it has; the next moves the rest.
  static final int MAX_MOVES = 1000;

  static HeldNodes of(Snapshot seen, Reasons reasons, Domains domains) {
    SortedMap<String, List<HoldReason>> held = new TreeMap<>();
    if (BreakGlass.inForce(seen.disruption(), seen.now()).isEmpty()) {
      reasons
          .ofSomeNodes()
          .forEach(
              it ->
                  Objects.requireNonNull(it.nodes())
                      .in(seen.roster())
                      .forEach(node -> held.computeIfAbsent(node, _ -> new ArrayList<>()).add(it)));
    }
    SortedMap<String, List<String>> ids = new TreeMap<>();
    held.forEach((node, its) -> ids.put(node, its.stream().map(HoldReason::id).sorted().toList()));
    domains
        .held()
        .forEach(
            (node, others) ->
                ids.merge(
                    node,
                    List.of(others),
                    (one, other) -> Stream.concat(one.stream(), other.stream()).toList()));
    String fence = ids.isEmpty() ? null : fence(seen, Drift.hash(ids));
    Map<String, String> marks = new HashMap<>();
    ids.keySet().forEach(node -> marks.put(node, mark(seen.companion(), node, fence)));
    Map<String, String> labels = new HashMap<>();
    List<Pod> living = seen.roster().livingGuards();
    for (Pod guard : living) {
      Optional.ofNullable(marks.get(Roster.nodeOf(guard)))
          .ifPresent(mark -> labels.put(guard.getMetadata().getName(), mark));
    }
    List<Pod> movable = new ArrayList<>(living);
    if (FewNodes.showEveryNode(seen)) {
      movable.addAll(seen.waiting());
      labels.putAll(meant(seen, marks));
    }
    List<Change.SetApart> moves = new ArrayList<>();
    int apart = 0;
    for (Pod guard : movable) {
      String wanted = labels.get(guard.getMetadata().getName());
      String actual = GuardLabels.heldFor(guard);
      if (!Objects.equals(wanted, actual)) {
        moves.add(new Change.SetApart(guard, Made.HELD_FOR, wanted));
      } else if (actual != null && Roster.isReady(guard)) {
        apart++;
      }
    }
    // A node that does not exist, or does not run the target, has no guard to move.
    long toMove = seen.roster().targetNodes().stream().filter(marks::containsKey).count();
    boolean alone = moves.isEmpty() && apart == toMove;
    boolean counted = !seen.protects(Protect.Nodes) || areCounted(seen);
    boolean othersCome = !counted || moves.stream().anyMatch(it -> it.value() != null);
    if (othersCome && !marks.isEmpty()) {
      // Once it has gone, it would be taken for one that has come and is not counted yet.
      moves.removeIf(it -> it.value() == null);
    }
    return new HeldNodes(
        held,
        domains,
        living.stream().collect(Collectors.groupingBy(Roster::nodeOf)),
        fence,
        marks,
        labels,
        apart,
        counted,
        alone,
        seen.protects(Protect.Nodes) ? moves.stream().limit(MAX_MOVES).toList() : List.of());
  }

  private static boolean areCounted(Snapshot seen) {
    long moved =
        Stream.concat(seen.roster().guards().stream(), seen.notRunning().stream())
            .filter(it -> GuardLabels.heldFor(it) != null)
            .map(it -> it.getMetadata().getName())
            .distinct()
            .count();
    return Counts.haveCounted(seen.ownBudget(Made.HELD_SUFFIX), moved);
  }

  /// A guard that is to run on a held node moves before it is bound: bound first, it would be
  /// counted, and could go, with all others.
  private static Map<String, String> meant(Snapshot seen, Map<String, String> marks) {
    Map<String, String> meant = new HashMap<>();
    List<String> lacking =
        seen.bindableNodes().stream()
            .map(marks::get)
            .filter(Objects::nonNull)
            .collect(Collectors.toCollection(ArrayList::new));
    Deque<Pod> others = new ArrayDeque<>();
    for (Pod guard : seen.waiting()) {
      String actual = GuardLabels.heldFor(guard);
      if (actual != null && lacking.remove(actual)) {
        meant.put(guard.getMetadata().getName(), actual);
      } else {
        others.add(guard);
      }
    }
    lacking.stream()
        .limit(others.size())
        .forEach(mark -> meant.put(others.remove().getMetadata().getName(), mark));
    return meant;
  }

  /// Whether there is nothing to hold by itself, and nothing left of it.
  boolean isNothing() {
    return marks.isEmpty() && moves.isEmpty();
  }

  /// Since when all of this holds is noted on the budget of held nodes: what held before, ended,
  /// and holds again, is something else to whoever has not seen that.
  private static String fence(Snapshot seen, String hash) {
    String prefix = "held." + hash + ".";
    return seen.budget(seen.ref().name() + Made.HELD_SUFFIX)
        .map(Made::closedFor)
        .filter(it -> it.startsWith(prefix))
        .orElse(prefix + Long.toHexString(seen.now().toEpochMilli()));
  }

  /// Which guards may be bound to this node: those for which [#fits] says the same.
  String fitting(String node) {
    return marks.getOrDefault(node, "");
  }

  /// Which nodes this guard may be bound to; none for one that is to move before.
  String fits(Pod guard) {
    String wanted = labels.get(guard.getMetadata().getName());
    return Objects.equals(wanted, GuardLabels.heldFor(guard))
        ? Objects.requireNonNullElse(wanted, "")
        : "none";
  }

  private static String mark(Companion companion, String node, @Nullable String fence) {
    // Another generation may have another maxHoldDuration, and so a Hold that counts again.
    return Drift.hash(
        List.of(
            node, String.valueOf(companion.getMetadata().getGeneration()), String.valueOf(fence)));
  }

  /// Whether any guard is under the budget of held nodes.
  boolean keepsAny() {
    return guards.values().stream()
        .flatMap(List::stream)
        .anyMatch(it -> GuardLabels.heldFor(it) != null);
  }

  /// Whether the guard of this node is.
  boolean keeps(String node) {
    return on(node).stream().anyMatch(it -> GuardLabels.heldFor(it) != null);
  }

  /// What is achieved for a Hold of some nodes.
  ///
  /// @param nodes those that it blocks
  /// @param finding whether the evictions of their guards are refused, and if not, why
  /// @param unprotected the guards of which they are not, for the admission policies
  record Achieved(Set<String> nodes, Finding finding, List<String> unprotected) {}

  /// What is achieved for a Hold of these nodes.
  ///
  /// @param gap what keeps the budget of held nodes from refusing evictions; empty: nothing
  /// @param all whether the evictions of every guard are refused
  Achieved achieved(
      Snapshot seen, GuardState state, Optional<String> gap, boolean all, NodeChoice choice) {
    SortedSet<String> nodes = new TreeSet<>(choice.in(seen.roster()));
    if (!seen.protects(Protect.Nodes)) {
      return new Achieved(
          nodes,
          notEnforced(
              "spec.disruption.protect does not name Nodes, and only the guard of a node can hold it alone"),
          List.of());
    }
    List<String> drained = nodes.stream().filter(state.drained()::contains).toList();
    SortedMap<String, String> missing = new TreeMap<>();
    for (String node : nodes) {
      if (!drained.contains(node)) {
        whyNot(state, gap, all, node).ifPresent(why -> missing.put(node, why));
      }
    }
    return new Achieved(
        nodes,
        finding(choice, nodes, drained, missing),
        missing.keySet().stream().flatMap(node -> guardsOn(node).stream()).sorted().toList());
  }

  private static Finding finding(
      NodeChoice choice,
      Set<String> nodes,
      List<String> drained,
      SortedMap<String, String> missing) {
    if (nodes.isEmpty()) {
      return Finding.bad(
          Reason.NoMatchingNodes,
          "There are no %s that run the target, so this Hold blocks nothing: correct nodeSelector, or label a node"
              .formatted(choice.describe()));
    }
    if (!missing.isEmpty()) {
      return notEnforced(Finding.named(List.copyOf(missing.values()), "; "));
    }
    if (drained.size() == nodes.size()) {
      return notEnforced(
          "%s %s drained before"
              .formatted(
                  nodes.size() == 1 ? "node " + drained.getFirst() : "all " + choice.describe(),
                  nodes.size() == 1 ? "was" : "were"));
    }
    return Finding.good(
        Reason.Enforced,
        "Evictions are refused on %s%s"
            .formatted(
                choice.describe(),
                drained.isEmpty() ? "" : "; already drained: " + Finding.named(drained, ", ")));
  }

  /// Why the evictions of the guard of this node are not refused; empty: they are.
  private Optional<String> whyNot(
      GuardState state, Optional<String> gap, boolean all, String node) {
    Optional<UnguardedNode> unguarded =
        state.unguarded().stream().filter(it -> it.name().equals(node)).findFirst();
    if (unguarded.isPresent()) {
      return unguarded.map(it -> "no running guard on %s (%s)".formatted(node, it.message()));
    }
    if (on(node).isEmpty()) {
      return Optional.of(
          "no guard on node %s: it does not exist, or runs no pod of the target".formatted(node));
    }
    if (!all && !on(node).stream().allMatch(this::hasMoved)) {
      return Optional.of("the guard of node %s is not protected yet".formatted(node));
    }
    return all ? Optional.empty() : gap;
  }

  /// Whether it has the label that it is to have now: one that it got for what held before may be
  /// about to be taken away by who has seen only that this has ended.
  private boolean hasMoved(Pod guard) {
    String actual = GuardLabels.heldFor(guard);
    return actual != null && actual.equals(labels.get(guard.getMetadata().getName()));
  }

  private List<String> guardsOn(String node) {
    return on(node).stream().map(it -> it.getMetadata().getName()).toList();
  }

  private List<Pod> on(String node) {
    return guards.getOrDefault(node, List.of());
  }

  private static Finding notEnforced(String message) {
    return Finding.bad(Reason.NotEnforced, message);
  }

  /// What is held, and why, for people; empty: nothing.
  Optional<String> describe() {
    List<String> words =
        Stream.concat(
                reasons.values().stream()
                    .flatMap(List::stream)
                    .map(HoldReason::describe)
                    .distinct(),
                domains.why().values().stream())
            .toList();
    return words.isEmpty() ? Optional.empty() : Optional.of(Finding.named(words, "; "));
  }

  /// Why this node is held.
  Finding why(String node) {
    List<HoldReason> holds = reasons.getOrDefault(node, List.of());
    return holds.isEmpty()
        ? Finding.bad(
            Reason.OneDomainAtATime, Finding.named(List.copyOf(domains.why().values()), "; "))
        : Finding.bad(
            Reason.Hold, Finding.named(holds.stream().map(HoldReason::describe).toList(), "; "));
  }

  /// Nodes to look at the next time, sorted: those of Holds, and those whose guards are to move
  /// back.
  List<String> remembered() {
    return Stream.concat(
            reasons.keySet().stream(),
            guards.keySet().stream().filter(node -> keeps(node) && !marks.containsKey(node)))
        .distinct()
        .sorted()
        .toList();
  }
}
