package dev.chaperone.functions;

import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.SharedRuns;
import dev.chaperone.decide.Answer;
import dev.chaperone.decide.Occasion;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.util.List;
import java.util.function.BiFunction;

/// Looks at every Companion once for all events that ask for it meanwhile: nothing says who sent
/// them, so anybody may send any number.
@ApplicationScoped
class Rounds {
  /// After a round that was shared, in which those gather who share the next.
  private static final Duration PAUSE = Duration.ofMillis(200);

  private final SharedRuns<Kind, Occasion, List<Answer>> rounds =
      new SharedRuns<>(Occasion::and, PAUSE);

  /// Events of different kinds ask for different things.
  enum Kind {
    PULSE,
    NODES
  }

  /// Does the round, or waits for one that begins after this call.
  ///
  /// @return the answers that turned, told to one of those who share them
  List<Answer> share(
      Kind kind,
      Occasion occasion,
      Deadline deadline,
      BiFunction<Occasion, Deadline, List<Answer>> round) {
    SharedRuns.Outcome<List<Answer>> outcome = rounds.share(kind, occasion, deadline, round);
    return outcome.own() ? outcome.result() : List.of();
  }
}
