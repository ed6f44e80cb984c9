package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// What the budget of all guards notes of those of unhealthy nodes, at the end of
/// [Made#CLOSED_FOR], whatever else it was written for. While it is there, only who has seen every
/// guard lets the budget ask for less, or takes it away.
final class UnhealthyNote {
  private static final char BEGINS = '+';

  private UnhealthyNote() {}

  /// Absent: nothing is noted.
  static @Nullable String of(PodDisruptionBudget budget) {
    String closedFor = closedFor(budget);
    int at = closedFor.indexOf(BEGINS);
    return at < 0 ? null : closedFor.substring(at + 1);
  }

  /// What a budget was written for besides; absent: nothing.
  static @Nullable String without(PodDisruptionBudget budget) {
    String closedFor = closedFor(budget);
    int at = closedFor.indexOf(BEGINS);
    String rest = at < 0 ? closedFor : closedFor.substring(0, at);
    return rest.isEmpty() ? null : rest;
  }

  /// Both in one; absent: neither is there.
  static @Nullable String with(@Nullable String note, @Nullable String closedFor) {
    return note == null ? closedFor : Objects.requireNonNullElse(closedFor, "") + BEGINS + note;
  }

  private static String closedFor(PodDisruptionBudget budget) {
    return Objects.requireNonNullElse(Made.closedFor(budget), "");
  }
}
