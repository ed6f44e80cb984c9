package dev.chaperone.functions;

import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.SharedRuns;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Occasion;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.util.Collection;
import java.util.function.BiFunction;

/// Looks at every Companion once for all events that ask for it meanwhile: nothing says who sent
/// them, so anybody may send any number.
@ApplicationScoped
class Rounds {
  /// After a round that was shared, in which those gather who share the next.
  private static final Duration PAUSE = Duration.ofMillis(200);

  private final SharedRuns<Kind, Occasion, Collection<CompanionRef>> rounds =
      new SharedRuns<>(Occasion::and, PAUSE);

  /// Events of different kinds ask for different things.
  enum Kind {
    PULSE,
    NODES
  }

  /// Does the round, or waits for one that begins after this call.
  ///
  /// @return the Companions that were looked at
  Collection<CompanionRef> share(
      Kind kind,
      Occasion occasion,
      Deadline deadline,
      BiFunction<Occasion, Deadline, Collection<CompanionRef>> round) {
    return rounds.share(kind, occasion, deadline, round).result();
  }
}
