package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.Policy;
import java.time.Instant;
import java.util.Optional;

/// Break glass: what blocks is ignored, for good or for some time.
final class BreakGlass {
  private BreakGlass() {}

  /// Why what blocks does not count now; empty: it does.
  static Optional<Finding> inForce(Disruption disruption, Instant now) {
    if (disruption.policy() == Policy.AlwaysAllow) {
      return Optional.of(
          Finding.good(
              Reason.AlwaysAllow,
              "spec.disruption.policy is AlwaysAllow: Holds, expressions and windows are ignored"));
    }
    CompanionSpec.BreakGlass asked = disruption.breakGlass();
    if (asked == null || end(disruption).filter(now::isBefore).isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        Finding.good(
            Reason.BreakGlass,
            "spec.disruption.breakGlass: the policy, Holds, expressions and windows are ignored until %s: %s"
                .formatted(asked.until(), asked.reason())));
  }

  /// When what blocks counts again, if it does by itself; a time that cannot be read has passed.
  static Optional<Instant> end(Disruption disruption) {
    return Optional.ofNullable(disruption.breakGlass()).flatMap(it -> Times.parse(it.until()));
  }
}
