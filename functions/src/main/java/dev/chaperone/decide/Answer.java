package dev.chaperone.decide;

/// Whether a Companion allows disruptions, in the words of its status.
///
/// @param reason as in the DisruptionAllowed condition
public record Answer(CompanionRef companion, Result result, Reason reason, String message) {

  /// What evictions meet.
  public enum Result {
    /// They may go ahead.
    ALLOWED,
    /// They are refused, on every node that runs the target.
    HELD,
    /// They should be refused, and are not everywhere.
    NOT_ENFORCED
  }
}
