package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Pod;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// The nodes whose target pod is not ready, where these may be drained although they use up
/// maxUnavailable themselves.
///
/// The guard of such a node moves from the budget of all guards to one that asks for none. It uses
/// up one of maxUnavailable there, whether it goes or not, so no more guards move than the first
/// budget would let go. A guard is marked first, the budget asks for one more and notes which
/// version of which guards are marked, and only then does the guard move. Once Kubernetes has
/// counted it under the second budget, the first asks for as many as before: the others wait for
/// the one that is missing. Back it may go at any time.
///
/// @param note what the budget of all guards is to note: which guards have the label, and whether
///     they have moved and are not counted yet; absent: none has
/// @param onTheWay for how many guards more that budget asks until they have moved
/// @param apart nodes whose guard has moved
/// @param moves the labels that guards are to get and to lose
record UnhealthyNodes(
    @Nullable String note, int onTheWay, SortedSet<String> apart, List<Change> moves) {

  private static final String UNCOUNTED = ".";

  static UnhealthyNodes of(Snapshot seen, HeldNodes held, Verdict verdict, int replicas) {
    Roster roster = seen.roster();
    List<Pod> there =
        roster.guards().stream()
            .filter(it -> !Roster.isTerminating(it) && !Roster.isEnded(it))
            .toList();
    List<Pod> labeled = there.stream().filter(it -> GuardLabels.unhealthy(it) != null).toList();
    SortedSet<String> apart =
        labeled.stream()
            .filter(it -> isApart(it) && GuardLabels.heldFor(it) == null)
            .filter(it -> Roster.nodeOf(it) != null)
            .map(Roster::nodeOf)
            .collect(Collectors.toCollection(TreeSet::new));
    String noted = seen.ownBudget(Made.NODES_SUFFIX).map(UnhealthyNote::of).orElse(null);
    if (!roster.complete()) {
      // Who has not seen every guard changes nothing about what is noted of them.
      return new UnhealthyNodes(noted, 0, apart, List.of());
    }
    String hash = hash(labeled);
    boolean isMarked = labeled.stream().anyMatch(it -> !isApart(it));
    // Once noted as counted they are, whatever becomes of the budget that counted them.
    boolean isDone =
        labeled.isEmpty() || (!isMarked && (hash.equals(noted) || areCounted(seen, labeled)));
    Set<String> chosen = chosen(seen, held, verdict, replicas);
    List<Change> moves = new ArrayList<>();
    boolean mayMove =
        hash.equals(noted) && labeled.stream().allMatch(it -> chosen.contains(name(it)));
    for (Pod guard : labeled) {
      if (!chosen.contains(name(guard))) {
        moves.add(new Change.SetApart(guard, Made.UNHEALTHY, null));
      } else if (mayMove && !isApart(guard)) {
        moves.add(new Change.SetApart(guard, Made.UNHEALTHY, Made.APART));
      }
    }
    int room = most(seen, replicas) - labeled.size();
    there.stream()
        .filter(it -> GuardLabels.unhealthy(it) == null && chosen.contains(name(it)))
        .limit(Math.max(0, room))
        .forEach(it -> moves.add(new Change.SetApart(it, Made.UNHEALTHY, Made.PENDING)));
    // A guard that a Hold moves at the same time is let be: both would write the same version.
    Set<String> heldMoves =
        held.moves().stream().map(it -> name(it.object())).collect(Collectors.toSet());
    moves.removeIf(it -> heldMoves.contains(name(it.object())));
    return new UnhealthyNodes(
        labeled.isEmpty() ? null : hash + (isMarked || isDone ? "" : UNCOUNTED),
        isDone ? 0 : labeled.size(),
        apart,
        List.copyOf(moves));
  }

  /// The guards that are to be apart: those that are stay, unless somebody drains another.
  private static Set<String> chosen(Snapshot seen, HeldNodes held, Verdict verdict, int replicas) {
    if (!seen.letsUnhealthyNodesGo() || seen.target() == null) {
      return Set.of();
    }
    Set<String> unready = seen.roster().unreadyTargetNodes();
    return seen.roster().livingGuards().stream()
        // One that is not ready uses up maxUnavailable, and may go, under the budget of all guards.
        .filter(it -> Roster.isRunning(it) && Roster.isReady(it))
        .filter(it -> unready.contains(Roster.nodeOf(it)))
        .filter(it -> !held.marks().containsKey(Roster.nodeOf(it)))
        .filter(it -> GuardLabels.heldFor(it) == null)
        .filter(it -> verdict.allowed() || isApart(it))
        .sorted(
            Comparator.<Pod, Boolean>comparing(it -> !isCordoned(seen, it))
                .thenComparing(it -> GuardLabels.unhealthy(it) == null)
                .thenComparing(Roster::nodeOf))
        .limit(Math.max(0, most(seen, replicas)))
        .map(UnhealthyNodes::name)
        .collect(Collectors.toSet());
  }

  private static boolean isCordoned(Snapshot seen, Pod guard) {
    return seen.roster().node(Roster.nodeOf(guard)).filter(Roster::isCordoned).isPresent();
  }

  /// How many guards may be apart: as many as may be unavailable, but for those that are.
  private static int most(Snapshot seen, int replicas) {
    int ready =
        (int)
            seen.roster().livingGuards().stream()
                .filter(it -> Roster.isRunning(it) && Roster.isReady(it))
                .count();
    return BudgetSpecs.scaled(seen.disruption().maxUnavailable(), replicas)
        - Math.max(0, replicas - ready);
  }

  private static boolean areCounted(Snapshot seen, List<Pod> apart) {
    long moved = apart.stream().filter(it -> GuardLabels.heldFor(it) == null).count();
    return Counts.haveCounted(seen.ownBudget(Made.UNHEALTHY_SUFFIX), moved);
  }

  private static String hash(List<Pod> labeled) {
    SortedMap<String, String> versions = new TreeMap<>();
    labeled.forEach(
        it ->
            versions.put(
                name(it),
                isApart(it)
                    ? Made.APART
                    : Made.PENDING + "/" + it.getMetadata().getResourceVersion()));
    return Drift.hash(versions);
  }

  private static String name(HasMetadata guard) {
    return guard.getMetadata().getName();
  }

  private static boolean isApart(Pod guard) {
    return Made.APART.equals(GuardLabels.unhealthy(guard));
  }

  /// Whether some guards are, or may be, under a budget of their own. Once made it stays, as that
  /// of held nodes does.
  static boolean haveBudget(Snapshot seen) {
    return seen.letsUnhealthyNodesGo() || seen.ownBudget(Made.UNHEALTHY_SUFFIX).isPresent();
  }

  /// Whether no guard has the label, as far as was seen.
  boolean isNothing() {
    return note == null && apart.isEmpty();
  }

  /// Whether a further look goes one step on.
  boolean isMoving() {
    return !moves.isEmpty() || onTheWay > 0;
  }

  /// The nodes whose guard has moved, as they use up maxUnavailable, for people.
  List<String> unavailable() {
    return apart.stream().map(it -> it + " (target pod not ready)").toList();
  }
}
