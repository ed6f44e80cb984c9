package dev.chaperone.cluster;

import java.time.Duration;

/// How long one event may take. Whoever sent it waits little longer and sends it again, so nothing
/// more is begun then, but for writing what may come late of what has been read.
public record Deadline(long nanoTime) {
  public static Deadline in(Duration time) {
    return new Deadline(System.nanoTime() + time.toNanos());
  }

  /// Zero or less: it has passed.
  public Duration left() {
    return Duration.ofNanos(nanoTime - System.nanoTime());
  }

  /// The one that passes so much later.
  public Deadline plus(Duration time) {
    return new Deadline(nanoTime + time.toNanos());
  }

  /// Whichever of the two passes later.
  public Deadline orLater(Deadline other) {
    return other.nanoTime - nanoTime > 0 ? other : this;
  }

  /// This one, or so long from now, whichever comes first.
  public Deadline orIn(Duration time) {
    return left().compareTo(time) <= 0 ? this : in(time);
  }

  /// Returns while there is time to begin something.
  ///
  /// @param next what is to be begun, for the message
  /// @throws Unavailable when it has passed
  public void check(String next) {
    if (!left().isPositive()) {
      throw new Unavailable("Out of time before: " + next + "; the API server is slow");
    }
  }
}
