package dev.chaperone.kubectl;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Locale;

/// What can make somebody ask why a drain is stuck, or why it was not. Each has a namespace and
/// nodes of its own, and is asked about one of them.
enum Situation {
  HOLD("A Hold", 1, "False Hold", Drain.WAITS),
  TWO_HOLDS("Two Holds", 1, "False Hold", Drain.WAITS),
  EXPRESSION(
      "An expression",
      1,
      "False ExpressionTrue",
      Drain.WAITS,
      "{holdWhen: [{name: few, expression: target.status.numberReady < 100, message: Too few nodes}]}"),
  WINDOW(
      "Outside the maintenance window",
      1,
      "False OutsideWindow",
      Drain.WAITS,
      "{maintenanceWindows: [{schedule: \"0 HOUR * * *\", duration: 1h, timeZone: UTC}]}"),
  SETTLING(
      "A Hold is gone, in `settlePeriod`", 1, "False Settling", Drain.WAITS, "{settlePeriod: 1h}"),
  DEAD_NODE(
      "`maxUnavailable` is used up by a dead node", 2, "False MaxUnavailableReached", Drain.WAITS),
  GUARD(
      "A guard that cannot start",
      2,
      "Unknown NotEnforced",
      Drain.PASSES,
      "{holdWhen: [{name: few, expression: target.status.numberReady < 100, message: Too few nodes}]}"),
  FOREIGN_BUDGET("A budget of somebody else", 1, "False MaxUnavailableReached", Drain.WAITS),
  OVERLAPPING_BUDGET("A second budget on the guards", 1, "False OverlappingBudget", Drain.ENDS),
  NO_TARGET("The target is missing", 1, "False TargetNotFound", Drain.WAITS);

  /// How `kubectl drain` takes it.
  enum Drain {
    WAITS("waits"),
    ENDS("ends with an error"),
    PASSES("passes");

    final String words;

    Drain(String words) {
      this.words = words;
    }
  }

  final String title;
  final int nodes;

  /// Status and reason of the Companion's condition `DisruptionAllowed`.
  final String allowed;

  final Drain drain;

  private final String disruption;

  Situation(String title, int nodes, String allowed, Drain drain) {
    this(title, nodes, allowed, drain, "{}");
  }

  Situation(String title, int nodes, String allowed, Drain drain, String disruption) {
    this.title = title;
    this.nodes = nodes;
    this.allowed = allowed;
    this.drain = drain;
    this.disruption = disruption;
  }

  /// YAML of `spec.disruption`; a window is half a day away.
  String disruption(Instant now) {
    int hour = now.plus(Duration.ofHours(12)).atZone(ZoneOffset.UTC).getHour();
    return disruption.replace("HOUR", String.valueOf(hour));
  }

  String namespace() {
    return "blocks-" + name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  String node(int number) {
    return namespace() + "-" + number;
  }

  /// The one that somebody drains: where the guard does not start, that one.
  String drained() {
    return node(this == GUARD ? 2 : 1);
  }

  /// Whether Chaperone blocks its drain, and so says it on the node. A foreign budget has let the
  /// guard go.
  boolean isToldOnTheNode() {
    return this != GUARD && this != FOREIGN_BUDGET;
  }
}
