package dev.chaperone.functions;

import dev.chaperone.api.Companion;
import dev.chaperone.decide.Decision;
import dev.chaperone.decide.KnownFacts;
import dev.chaperone.decide.Occasion;
import dev.chaperone.decide.Written;
import org.jspecify.annotations.Nullable;

/// What is asked of the run for one Companion.
///
/// @param late what there is to write; absent: that is for a look to decide
/// @param known what the event has read of the Companion on its way; absent: nothing
record Ask(Occasion occasion, @Nullable Late late, @Nullable KnownFacts known) {
  /// A look for a pulse reads every node, which the memory has to hold: it takes the room of so
  /// many others.
  private static final int WITH_EVERY_NODE = 8;

  /// A survey's decision that may come late.
  ///
  /// @param companion as the survey saw it
  /// @param closed what was written before the decision
  record Late(Companion companion, Decision decision, Written closed) {}

  static Ask look(Occasion occasion) {
    return look(occasion, null);
  }

  static Ask look(Occasion occasion, @Nullable KnownFacts known) {
    return new Ask(occasion, null, known);
  }

  static Ask write(Occasion occasion, @Nullable Late late) {
    return new Ask(occasion, late, null);
  }

  /// Both at once, by a look that reads everything: who asks as well may know of something newer.
  Ask and(Ask other) {
    return look(occasion.and(other.occasion));
  }

  /// How much room it takes, of that of all that run at the same time.
  int room() {
    return late == null && occasion.pulse() ? WITH_EVERY_NODE : 1;
  }
}
