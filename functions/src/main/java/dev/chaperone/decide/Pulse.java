package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/// How often the pulse beats: often while something changes soon that no event announces, so that
/// it is late by a minute at most; rarely otherwise, so that the functions sleep.
public final class Pulse {
  private static final Duration RARELY_EVERY = Duration.ofMinutes(10);
  private static final String RARELY = "*/10 * * * *";
  private static final String OFTEN = "* * * * *";

  private Pulse() {}

  /// Whether waiting for the next rare beat would be too long.
  static boolean isPending(Optional<Instant> nextTurn, Instant now) {
    return nextTurn.filter(it -> !it.isAfter(now.plus(RARELY_EVERY))).isPresent();
  }

  /// The change of its schedule; empty if it beats as it should.
  ///
  /// @param source the PingSource
  public static Optional<Change> change(GenericKubernetesResource source, boolean pending) {
    String wanted = pending ? OFTEN : RARELY;
    Object spec = source.getAdditionalProperties().get("spec");
    Object actual = spec instanceof Map<?, ?> fields ? fields.get("schedule") : null;
    return Objects.equals(actual, wanted)
        ? Optional.empty()
        : Optional.of(new Change.SetSchedule(source, wanted));
  }
}
