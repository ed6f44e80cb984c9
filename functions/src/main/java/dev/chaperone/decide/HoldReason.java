package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionStatus.BlockingReason;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One of the reasons to block.
///
/// @param name of the Hold, the expression or the budget; empty where there is only one
/// @param id tells two reasons of the same type and name apart, as the uid of a Hold does; often
///     the name
/// @param since absent: as soon as it is seen
/// @param until when it ends at the latest; absent: nobody knows
/// @param overdue whether it has lasted longer than `maxHoldDuration`, and no longer counts
/// @param nodes those that it blocks, each by itself; absent: every node
record HoldReason(
    Reason type,
    String name,
    String id,
    String message,
    @Nullable Instant since,
    @Nullable Instant until,
    boolean overdue,
    @Nullable NodeChoice nodes) {

  HoldReason(Reason type, String name, String message) {
    this(type, name, name, message, null, null, false, null);
  }

  HoldReason(Reason type, String message, @Nullable Instant since, @Nullable Instant until) {
    this(type, "", "", message, since, until, false, null);
  }

  HoldReason since(Instant time) {
    return new HoldReason(type, name, id, message, time, until, overdue, nodes);
  }

  HoldReason withOverdue(boolean isOverdue) {
    return new HoldReason(type, name, id, message, since, until, isOverdue, nodes);
  }

  /// The same, which ends by then at the latest.
  HoldReason notAfter(Instant end) {
    boolean isEarlier = until != null && until.isBefore(end);
    return new HoldReason(type, name, id, message, since, isEarlier ? until : end, overdue, nodes);
  }

  /// The same, which no longer counts after `maxHoldDuration`, if that is so for its type.
  HoldReason within(Disruption disruption, Instant now) {
    Instant end = end(disruption);
    if (end == null) {
      return this;
    }
    return now.isBefore(end) ? notAfter(end) : withOverdue(true);
  }

  /// When the last of them ends; absent: nobody knows.
  static @Nullable Instant end(List<HoldReason> reasons) {
    Instant last = null;
    for (HoldReason reason : reasons) {
      if (reason.until == null) {
        return null;
      }
      last = last == null || reason.until.isAfter(last) ? reason.until : last;
    }
    return last;
  }

  /// Whether it blocks every node.
  boolean isOfEveryNode() {
    return nodes == null;
  }

  /// When it has lasted as long as it may; absent: never, or that is not known.
  private @Nullable Instant end(Disruption disruption) {
    return since == null || !type.yields()
        ? null
        : Durations.parse(disruption.maxHoldDuration()).map(since::plus).orElse(null);
  }

  /// Whether the status told of this reason before.
  boolean isSame(BlockingReason before) {
    return before.type().equals(type.name()) && before.name().equals(name);
  }

  String describe() {
    return type.describe(
        message, since == null ? null : since.toString(), until == null ? null : until.toString());
  }
}
