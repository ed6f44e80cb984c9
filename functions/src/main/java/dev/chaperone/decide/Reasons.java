package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Everything that speaks for blocking.
///
/// @param all in the order in which they are told, those that have lasted too long included
/// @param failures expressions and windows that cannot be evaluated, and why
/// @param nextTurn when the next of them turns by itself
/// @param targetIsGone whether the target has been missing for so long that its guards may go
record Reasons(
    List<HoldReason> all,
    Timeline timeline,
    List<String> failures,
    Optional<Instant> nextTurn,
    boolean targetIsGone) {

  static Reasons of(Snapshot seen, GuardState guards) {
    Instant now = seen.now();
    Expressions expressions = Expressions.of(seen, guards.count());
    Windows windows = Windows.of(seen.disruption(), now);
    Optional<HoldReason> missing = missingTarget(seen);
    List<HoldReason> found =
        Stream.of(
                missing.stream(),
                Overlaps.of(seen).stream(),
                foreignGuards(seen).stream(),
                Holds.reasons(seen.disruption(), seen.holds(), now).stream(),
                expressions.reasons().stream())
            .flatMap(it -> it)
            .map(it -> withSince(it, seen))
            .map(it -> it.within(seen.disruption(), now))
            .toList();
    Timeline timeline =
        Timeline.of(seen, guards, found.stream().filter(HoldReason::isOfEveryNode).toList());
    List<HoldReason> all =
        Stream.of(
                found.stream(),
                timeline.settling().stream(),
                windows.outside().map(it -> withSince(it, seen)).stream(),
                updatingGuards(seen, guards, found).map(it -> withSince(it, seen)).stream())
            .flatMap(it -> it)
            .toList();
    Stream<@Nullable Instant> ends = all.stream().map(HoldReason::until);
    return new Reasons(
        all,
        timeline,
        Stream.concat(expressions.failures().stream(), windows.failures().stream()).toList(),
        Stream.of(ends, Stream.of(windows.turns()), BreakGlass.end(seen.disruption()).stream())
            .flatMap(it -> it)
            .filter(Objects::nonNull)
            .filter(it -> it.isAfter(now))
            .min(Instant::compareTo),
        seen.isWithoutTarget() && missing.stream().allMatch(HoldReason::overdue));
  }

  /// Those that count, and block every node.
  List<HoldReason> blocking() {
    return all.stream().filter(it -> !it.overdue() && it.isOfEveryNode()).toList();
  }

  /// Those that count, and block some nodes, each by itself.
  Stream<HoldReason> ofSomeNodes() {
    return all.stream().filter(it -> !it.overdue() && !it.isOfEveryNode());
  }

  /// Those that have lasted longer than they may.
  List<HoldReason> overdue() {
    return all.stream().filter(HoldReason::overdue).toList();
  }

  boolean blocksBesides(Reason reason) {
    return all.stream().anyMatch(it -> !it.overdue() && it.type() != reason);
  }

  Optional<HoldReason> overlap() {
    return all.stream().filter(it -> it.type() == Reason.OverlappingBudget).findFirst();
  }

  /// While what was made for a target is still there, and may have been made for one that comes
  /// back.
  private static Optional<HoldReason> missingTarget(Snapshot seen) {
    if (seen.target() != null) {
      return Optional.empty();
    }
    Finding without = seen.withoutTarget();
    if (seen.targetIsElsewhere()) {
      return Optional.of(new HoldReason(without.reason(), "", without.message()));
    }
    if (!seen.hasOwnObjects()) {
      return Optional.empty();
    }
    HoldReason reason = withSince(new HoldReason(without.reason(), "", without.message()), seen);
    Instant end = Objects.requireNonNull(reason.since()).plus(Roster.TARGET_GRACE);
    return Optional.of(
        new HoldReason(reason.type(), reason.message(), reason.since(), end)
            .withOverdue(!seen.now().isBefore(end)));
  }

  private static Optional<HoldReason> foreignGuards(Snapshot seen) {
    List<String> counted =
        foreignGuardPods(seen).map(pod -> pod.getMetadata().getName()).sorted().toList();
    return counted.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new HoldReason(
                Reason.ForeignGuards,
                "",
                (counted.size() == 1
                        ? "Pod %s is not Chaperone's and carries all labels of its guards: delete it or change its labels"
                        : "Pods %s are not Chaperone's and carry all labels of its guards: delete them or change their labels")
                    .formatted(Finding.named(counted, ", "))));
  }

  /// Pods of others that the guards' budget counts.
  static Stream<Pod> foreignGuardPods(Snapshot seen) {
    return seen.roster().lookAlikes().stream()
        .filter(pod -> !Roster.isEnded(pod))
        .filter(pod -> isCounted(pod, seen));
  }

  private static boolean isCounted(Pod pod, Snapshot seen) {
    return Optional.ofNullable(pod.getMetadata().getLabels())
        .filter(it -> it.entrySet().containsAll(Made.guardSelector(seen.companion()).entrySet()))
        .isPresent();
  }

  /// While a node is held by itself, its guard is not replaced: that waits, and blocks no other
  /// node meanwhile.
  private static Optional<HoldReason> updatingGuards(
      Snapshot seen, GuardState guards, List<HoldReason> found) {
    Deployment deployment = seen.ownGuards();
    boolean waits =
        found.stream().anyMatch(it -> !it.overdue() && !it.isOfEveryNode())
            && deployment != null
            && GuardDeployment.isPaused(deployment)
            && !Counts.isStale(deployment);
    return guards.outdated() && !waits
        ? Optional.of(
            new HoldReason(Reason.GuardsUpdating, "", "Guards are being replaced, node by node"))
        : Optional.empty();
  }

  /// Since the status first told of it, unless it knows better itself.
  private static HoldReason withSince(HoldReason reason, Snapshot seen) {
    if (reason.since() != null) {
      return reason;
    }
    return reason.since(
        Stream.ofNullable(seen.status().reasons())
            .flatMap(List::stream)
            .filter(reason::isSame)
            .flatMap(it -> Times.parse(it.since()).stream())
            .findFirst()
            .orElse(seen.now()));
  }
}
