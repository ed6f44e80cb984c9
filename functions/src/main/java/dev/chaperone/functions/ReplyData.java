package dev.chaperone.functions;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.chaperone.decide.Answer;
import dev.chaperone.decide.Maintenance;
import dev.chaperone.decide.Reason;
import org.jspecify.annotations.Nullable;

/// The data of a reply: the same words as in the status.
///
/// @param allowed whether evictions may go ahead
/// @param enforced whether evictions are refused on every node that runs the target; neither of the
///     two: they should be, and are not everywhere
/// @param reason as in the DisruptionAllowed condition, or `MaintenancePlanned`,
///     `MaintenanceStarted` or `MaintenanceEnded`
/// @param node whose maintenance changed; absent: the Companion's disruptions did
public record ReplyData(
    String namespace,
    String companion,
    boolean allowed,
    boolean enforced,
    String reason,
    String message,
    @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable String node) {

  static ReplyData of(Answer answer) {
    return of(answer, answer.reason(), answer.message(), null);
  }

  static ReplyData of(Answer answer, Maintenance.Turn turn) {
    return of(answer, turn.reason(), turn.message(), turn.node());
  }

  private static ReplyData of(Answer answer, Reason reason, String message, @Nullable String node) {
    return new ReplyData(
        answer.companion().namespace(),
        answer.companion().name(),
        answer.result() == Answer.Result.ALLOWED,
        answer.result() == Answer.Result.HELD,
        reason.name(),
        message,
        node);
  }
}
