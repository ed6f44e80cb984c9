package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Disruption;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What the installation says for every Companion.
///
/// @param scope which namespaces are served
/// @param guards how guard pods look
/// @param marksNodes whether nodes get conditions: those whose drain waits that of [DrainBlocked],
///     and where a Companion asks for it that of [CompanionReady]
/// @param respondsToEvictions whether guards name Chaperone as the responder to their Evictions
/// @param maxHoldDuration how long each Hold and expression blocks at most, as `24h`, even where a
///     Companion allows longer; absent: as long as that allows
public record Settings(
    Scope scope,
    GuardSettings guards,
    boolean marksNodes,
    boolean respondsToEvictions,
    @Nullable String maxHoldDuration) {

  /// @throws IllegalArgumentException when the maximum is no duration that a Companion could have
  public Settings {
    try {
      if (!Durations.parse(maxHoldDuration).map(Duration::isPositive).orElse(true)) {
        throw new IllegalArgumentException("it is not greater than zero");
      }
    } catch (RuntimeException e) {
      throw new IllegalArgumentException(
          "chaperone.max-hold-duration must be a duration like 24h or 90m, and is \"%s\""
              .formatted(maxHoldDuration),
          e);
    }
  }

  /// What a Companion asks for, within what the installation allows.
  Disruption within(Disruption asked) {
    if (maxHoldDuration == null) {
      return asked;
    }
    Duration most = Durations.parse(maxHoldDuration).orElseThrow();
    Optional<Duration> own = Durations.parse(asked.maxHoldDuration());
    return own.isEmpty() || own.get().compareTo(most) > 0
        ? asked.withMaxHoldDuration(maxHoldDuration)
        : asked;
  }
}
