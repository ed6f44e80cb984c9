package dev.chaperone.functions;

import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Decision;
import dev.chaperone.decide.Occasion;
import dev.chaperone.decide.Snapshot;
import dev.chaperone.decide.Survey;
import dev.chaperone.decide.Written;
import java.util.Optional;

/// What a survey says of one Companion.
///
/// @param idle the decision, if it asks for nothing
/// @param ask of the run that there is to be otherwise
/// @param closes whether that run closes a budget that is open
/// @param simple whether an event about this Companion would lead to the same look
record Surveyed(Optional<Decision> idle, Ask ask, boolean closes, boolean simple) {

  /// Only a look can say.
  static Surveyed unknown(Occasion occasion) {
    return new Surveyed(Optional.empty(), Ask.look(occasion), false, false);
  }

  /// @param closed what was written of [Survey#closing] since
  /// @param mayHandOver whether it matters if it is simple
  static Surveyed of(
      Survey survey, CompanionRef ref, Occasion occasion, Written closed, boolean mayHandOver) {
    try {
      return survey
          .of(ref, occasion.pulse(), closed)
          .map(seen -> of(seen, Decision.of(seen), occasion, closed, mayHandOver))
          .orElseGet(() -> unknown(occasion));
    } catch (RuntimeException | Error e) {
      // It will be told of it by its own look.
      return unknown(occasion);
    }
  }

  private static Surveyed of(
      Snapshot seen, Decision decision, Occasion occasion, Written closed, boolean mayHandOver) {
    if (decision.isIdle()) {
      return new Surveyed(Optional.of(decision), Ask.look(occasion), false, false);
    }
    boolean few = occasion.pulse() && !decision.needsEveryNode();
    Ask.Late late =
        decision.mayComeLate() ? new Ask.Late(seen.companion(), decision, closed) : null;
    return new Surveyed(
        Optional.empty(),
        Ask.write(few ? occasion.withoutPulse() : occasion, late),
        decision.closes(),
        mayHandOver
            && occasion.withoutPulse().equals(Occasion.CHANGE)
            && (few || !decision.needsPulse()));
  }
}
