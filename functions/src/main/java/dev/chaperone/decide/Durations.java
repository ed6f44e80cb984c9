package dev.chaperone.decide;

import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Durations as users write them: `60s`, `1h30m`. The API server admits nothing else.
public final class Durations {
  private Durations() {}

  /// Empty for nothing.
  ///
  /// @throws java.time.format.DateTimeParseException for what the API server does not admit
  public static Optional<Duration> parse(@Nullable String text) {
    return Optional.ofNullable(text).map(it -> Duration.parse("PT" + it.toUpperCase(Locale.ROOT)));
  }
}
