package dev.chaperone.decide;

import dev.chaperone.api.CompanionStatus.GuardCount;
import dev.chaperone.api.CompanionStatus.Reason;
import java.time.Instant;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Everything that says hold.
///
/// @param holding Holds, expressions and overlapping budgets
/// @param failures expressions and windows that cannot be evaluated, and why
record Reasons(
    List<HoldReason> holding, Windows windows, Timeline timeline, List<String> failures) {

  static final Reasons NONE =
      new Reasons(
          List.of(), new Windows(Optional.empty(), null, List.of()), Timeline.NONE, List.of());

  static Reasons of(Snapshot seen, GuardCount guards) {
    if (seen.target() == null) {
      return NONE;
    }
    Expressions expressions = Expressions.of(seen, guards);
    Windows windows = Windows.of(seen);
    List<HoldReason> holding =
        Stream.of(
                Overlaps.of(seen).stream(),
                Holds.reasons(seen).stream(),
                expressions.reasons().stream())
            .flatMap(it -> it)
            .map(it -> withSince(it, seen))
            .toList();
    return new Reasons(
        holding,
        new Windows(
            windows.outside().map(it -> withSince(it, seen)), windows.turns(), windows.failures()),
        Timeline.of(seen, !holding.isEmpty()),
        Stream.concat(expressions.failures().stream(), windows.failures().stream()).toList());
  }

  Optional<HoldReason> overlap() {
    return holding.stream().filter(it -> it.type().equals(Overlaps.TYPE)).findFirst();
  }

  /// In the order in which they are told.
  List<HoldReason> all() {
    return Stream.of(holding.stream(), timeline.settling().stream(), windows.outside().stream())
        .flatMap(it -> it)
        .toList();
  }

  /// When the next of them turns by itself.
  Optional<Instant> nextTurn(Instant now) {
    return Stream.concat(
            all().stream().map(HoldReason::until), Stream.of(timeline.deadline(), windows.turns()))
        .filter(Objects::nonNull)
        .filter(it -> it.isAfter(now))
        .min(Instant::compareTo);
  }

  /// Since the status first told of it, unless it knows better itself.
  private static HoldReason withSince(HoldReason reason, Snapshot seen) {
    if (reason.since() != null) {
      return reason;
    }
    @Nullable List<Reason> before = seen.status().reasons();
    return reason.since(
        Stream.ofNullable(before)
            .flatMap(List::stream)
            .filter(it -> it.type().equals(reason.type()) && it.name().equals(reason.name()))
            .map(it -> Instant.parse(it.since()))
            .findFirst()
            .orElse(seen.now()));
  }
}
