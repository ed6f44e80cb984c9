package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.LetGo;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What only time decides. Computed from times that the status stores and from now, never from a
/// timer, so neither a restart nor a lost event starts anything anew.
///
/// @param heldSince since when reasons hold without a break, settling included
/// @param quietSince since when there has been no reason, until that has settled
/// @param settling the reason that keeps on holding
/// @param deadline when the holding ends although there are reasons
record Timeline(
    @Nullable Instant heldSince,
    @Nullable Instant quietSince,
    @Nullable LetGo letGo,
    Optional<HoldReason> settling,
    @Nullable Instant deadline) {

  static final Timeline NONE = new Timeline(null, null, null, Optional.empty(), null);

  /// Reasons that are over when they are over: no health has to follow them.
  private static final Set<String> NEVER_SETTLE = Set.of("Settling", "OutsideWindow");

  /// @param holding whether there is a reason that may have to settle
  static Timeline of(Snapshot seen, boolean holding) {
    CompanionStatus before = seen.status();
    Instant now = seen.now();
    Optional<Duration> period = Lengths.parse(seen.disruption().settlePeriod());

    Instant quietSince = null;
    if (!holding && period.isPresent()) {
      Instant since = before.quietSince() == null ? null : Instant.parse(before.quietSince());
      if (since == null && wasHolding(before)) {
        since = now;
      }
      quietSince = since != null && now.isBefore(since.plus(period.get())) ? since : null;
    }
    LetGo letGo = letGo(seen, before.letGo(), period.orElse(Duration.ZERO));

    List<HoldReason> settling = new ArrayList<>();
    if (quietSince != null) {
      Instant end = quietSince.plus(period.orElseThrow());
      settling.add(
          new HoldReason("Settling", "", "The last reason went away; settling", quietSince, end));
    }
    if (letGo != null && period.isPresent()) {
      Instant last = Instant.parse(letGo.lastTime());
      Instant end = last.plus(period.get());
      if (now.isBefore(end)) {
        String which = letGo.nodes().isEmpty() ? "" : " (" + String.join(", ", letGo.nodes()) + ")";
        settling.add(
            new HoldReason("Settling", "", "A node was let go" + which + "; settling", last, end));
      }
    }
    Instant heldSince = null;
    if (holding || quietSince != null) {
      heldSince = before.heldSince() == null ? now : Instant.parse(before.heldSince());
    }
    Instant deadline =
        heldSince == null
            ? null
            : Lengths.parse(seen.disruption().holdDeadline()).map(heldSince::plus).orElse(null);
    return new Timeline(heldSince, quietSince, letGo, latest(settling), deadline);
  }

  /// Whether reasons have held longer than they may.
  boolean isOverdue(Instant now) {
    return deadline != null && !now.isBefore(deadline);
  }

  private static Optional<HoldReason> latest(List<HoldReason> settling) {
    return settling.stream()
        .max(
            (one, other) -> {
              Instant end = one.until();
              Instant otherEnd = other.until();
              return end == null || otherEnd == null ? 0 : end.compareTo(otherEnd);
            });
  }

  private static boolean wasHolding(CompanionStatus before) {
    return before.reasons() != null
        && before.reasons().stream().anyMatch(it -> !NEVER_SETTLE.contains(it.type()));
  }

  private static @Nullable LetGo letGo(Snapshot seen, @Nullable LetGo before, Duration period) {
    if (!seen.protects(Protect.Nodes)) {
      return null;
    }
    List<String> nodes = seen.roster().drainedNodes();
    boolean more =
        !Stream.ofNullable(before).flatMap(it -> it.nodes().stream()).toList().containsAll(nodes);
    if (more) {
      return new LetGo(nodes, seen.now().toString());
    }
    if (before == null
        || (nodes.isEmpty()
            && !seen.now().isBefore(Instant.parse(before.lastTime()).plus(period)))) {
      return null;
    }
    return new LetGo(nodes, before.lastTime());
  }
}
