package dev.chaperone.functions;

import dev.chaperone.decide.Answer;

/// The data of a reply: the same words as in the status.
///
/// @param allowed whether evictions may go ahead
/// @param enforced whether evictions are refused on every node that runs the target; neither of the
///     two: they should be, and are not everywhere
/// @param reason as in the DisruptionAllowed condition
public record ReplyData(
    String namespace,
    String companion,
    boolean allowed,
    boolean enforced,
    String reason,
    String message) {

  static ReplyData of(Answer answer) {
    return new ReplyData(
        answer.companion().namespace(),
        answer.companion().name(),
        answer.result() == Answer.Result.ALLOWED,
        answer.result() == Answer.Result.HELD,
        answer.reason().name(),
        answer.message());
  }
}
