package dev.chaperone.decide;

import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Lengths of time as users write them: `60s`, `1h30m`. The API server admits nothing else.
public final class Lengths {
  private Lengths() {}

  /// Empty for nothing.
  public static Optional<Duration> parse(@Nullable String text) {
    return Optional.ofNullable(text).map(it -> Duration.parse("PT" + it.toUpperCase(Locale.ROOT)));
  }
}
