package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chaperone.api.Hold;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class HoldRequestTest {
  private static final Instant NOW = Instant.parse("2026-11-24T06:00:00Z");
  private static final Optional<Duration> HOUR = Optional.of(Duration.ofHours(1));
  private final HoldRequest request = request("/alerts", "pool-42");

  @Test
  void the_same_source_and_key_are_the_same_hold_and_others_are_not() {
    assertThat(request.holdName())
        .isEqualTo(request("/alerts", "pool-42").holdName())
        .isNotEqualTo(request("/alerts", "pool-43").holdName())
        .isNotEqualTo(request("/storage", "pool-42").holdName())
        .isNotEqualTo(
            new HoldRequest(new CompanionRef("storage", "other"), "/alerts", "pool-42").holdName())
        .matches("event-[0-9a-f]{24}");
  }

  @Test
  void ends_when_its_ttl_has_passed_since_it_was_sent() throws HoldRequest.Ended {
    assertThat(end(Optional.empty(), NOW, HOUR)).contains("2026-11-24T07:00:00Z");
    assertThat(end(Optional.empty(), NOW.minusSeconds(60), HOUR)).contains("2026-11-24T06:59:00Z");
    assertThat(end(Optional.empty(), NOW, Optional.empty())).contains("never");
  }

  @Test
  void a_time_to_come_counts_as_now_and_one_long_past_holds_nothing() throws HoldRequest.Ended {
    assertThat(end(Optional.empty(), Instant.parse("2999-01-01T00:00:00Z"), HOUR))
        .contains("2026-11-24T07:00:00Z");
    assertThatThrownBy(() -> end(Optional.empty(), NOW.minus(Duration.ofHours(1)), HOUR))
        .isInstanceOf(HoldRequest.Ended.class)
        .hasMessageContaining("its ttl had passed");
  }

  @Test
  void again_it_may_last_longer_never_shorter() throws HoldRequest.Ended {
    Hold hold = request.hold(Optional.empty(), "why", null, NOW, HOUR, NOW).orElseThrow();

    assertThat(end(Optional.of(hold), NOW, HOUR)).isEmpty();
    assertThat(end(Optional.of(hold), NOW.minusSeconds(60), HOUR)).isEmpty();
    assertThat(end(Optional.of(hold), NOW.plusSeconds(0), Optional.of(Duration.ofHours(2))))
        .contains("2026-11-24T08:00:00Z");
    assertThat(end(Optional.of(hold), NOW, Optional.empty())).contains("never");

    Hold forEver =
        request.hold(Optional.empty(), "why", null, NOW, Optional.empty(), NOW).orElseThrow();
    assertThat(end(Optional.of(forEver), NOW, HOUR)).isEmpty();
  }

  /// When the Hold that is written ends; empty if none is.
  private Optional<String> end(Optional<Hold> existing, Instant sent, Optional<Duration> ttl)
      throws HoldRequest.Ended {
    return request
        .hold(existing, "why", null, sent, ttl, NOW)
        .map(it -> it.getSpec().expiresAt() == null ? "never" : it.getSpec().expiresAt());
  }

  private static HoldRequest request(String source, String key) {
    return new HoldRequest(new CompanionRef("storage", "agent"), source, key);
  }
}
