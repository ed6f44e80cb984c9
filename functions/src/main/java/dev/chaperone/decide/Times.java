package dev.chaperone.decide;

import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Times as users and Kubernetes write them.
public final class Times {
  private Times() {}

  /// Empty for nothing, and for what is not RFC 3339: the caller says what an unknown time means.
  public static Optional<Instant> parse(@Nullable String text) {
    try {
      return Optional.ofNullable(text).map(it -> OffsetDateTime.parse(it).toInstant());
    } catch (DateTimeParseException unreadable) {
      return Optional.empty();
    }
  }
}
