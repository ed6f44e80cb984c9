package dev.chaperone.decide;

import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.DrainedNodes;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What only time decides. Computed from times that the status stores and from now, never from a
/// timer, so neither a restart nor a lost event starts anything anew. What the status lost, or has
/// as something that is no time, counts from now.
///
/// @param quietSince since when there has been no reason, until that has settled
/// @param settling the reason that keeps on blocking
record Timeline(
    @Nullable Instant quietSince, @Nullable DrainedNodes drained, Optional<HoldReason> settling) {

  /// @param found every other reason
  static Timeline of(Snapshot seen, GuardState guards, List<HoldReason> found) {
    CompanionStatus before = seen.status();
    Instant now = seen.now();
    Optional<Duration> period = Durations.parse(seen.disruption().settlePeriod());

    Instant quietSince = null;
    boolean holding = found.stream().anyMatch(it -> it.type().settles() && !it.overdue());
    if (!holding && period.isPresent()) {
      Instant since = quietSince(seen, before, found);
      quietSince = since != null && now.isBefore(since.plus(period.get())) ? since : null;
    }
    DrainedNodes drained =
        drained(seen, guards, before.drainedNodes(), period.orElse(Duration.ZERO));

    List<HoldReason> settling = new ArrayList<>();
    if (quietSince != null) {
      Instant end = quietSince.plus(period.orElseThrow());
      settling.add(
          new HoldReason(Reason.Settling, "No reason is left; in settlePeriod", quietSince, end));
    }
    if (drained != null && period.isPresent()) {
      Instant last = Times.parse(drained.lastTime()).orElse(now);
      Instant end = last.plus(period.get());
      if (now.isBefore(end)) {
        String which =
            switch (drained.nodes().size()) {
              case 0 -> "A node was";
              case 1 -> "Node " + drained.nodes().getFirst() + " was";
              default -> "Nodes " + String.join(", ", drained.nodes()) + " were";
            };
        settling.add(
            new HoldReason(Reason.Settling, which + " drained; in settlePeriod", last, end));
      }
    }
    return new Timeline(
        quietSince, drained, settling.stream().max(Comparator.comparing(Timeline::end)));
  }

  private static Instant end(HoldReason settling) {
    return Optional.ofNullable(settling.until()).orElse(Instant.MIN);
  }

  private static @Nullable Instant quietSince(
      Snapshot seen, CompanionStatus before, List<HoldReason> found) {
    if (before.quietSince() != null) {
      return Times.parse(before.quietSince()).orElse(seen.now());
    }
    // Nobody knows what held before a status was lost.
    boolean lost = before.observedGeneration() == null && seen.hasOwnObjects();
    return lost || wasHolding(before, found) ? seen.now() : null;
  }

  /// Whether a reason blocked that has cleared since: one that only has lasted too long has not.
  private static boolean wasHolding(CompanionStatus before, List<HoldReason> found) {
    return Stream.ofNullable(before.reasons())
        .flatMap(List::stream)
        .filter(it -> !Boolean.TRUE.equals(it.overdue()))
        .filter(it -> it.node() == null && it.nodeSelector() == null)
        .filter(it -> Reason.of(it.type()).map(Reason::settles).orElse(true))
        .anyMatch(it -> found.stream().noneMatch(now -> now.overdue() && now.isSame(it)));
  }

  private static @Nullable DrainedNodes drained(
      Snapshot seen, GuardState guards, @Nullable DrainedNodes before, Duration period) {
    List<String> nodes = guards.drained();
    boolean more =
        !Stream.ofNullable(before).flatMap(it -> it.nodes().stream()).toList().containsAll(nodes);
    if (more) {
      return new DrainedNodes(nodes, seen.now().toString());
    }
    if (before == null) {
      return null;
    }
    Instant last = Times.parse(before.lastTime()).orElse(seen.now());
    return nodes.isEmpty() && !seen.now().isBefore(last.plus(period))
        ? null
        : new DrainedNodes(nodes, last.toString());
  }
}
