package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chaperone.api.CompanionSpec.Signal;
import dev.chaperone.decide.SignalEvent.Ask;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class SignalEventTest {
  private static final CompanionRef AGENT = new CompanionRef("storage", "agent");
  private static final String FIRING = "data.status == 'firing'";
  private static final String RESOLVED = "data.status == 'resolved'";

  @Test
  void an_event_of_which_hold_when_is_true_asks_to_hold() throws Expression.Failed {
    assertThat(asks(event("firing"), signal(RESOLVED, "data.name", "an alert fires")))
        .contains(
            new Ask.ToHold(
                new HoldRequest(AGENT, "/alerts", "alert disk-full"),
                "an alert fires",
                null,
                Optional.of(Duration.ofHours(2))));
  }

  @Test
  void a_node_that_an_expression_names_is_held_alone() throws Expression.Failed {
    assertThat(nodeName("data.name")).isEqualTo("disk-full");
    assertThat(nodeName("''")).as("nothing names every node").isNull();
    assertThat(nodeName(null)).isNull();
    assertThatThrownBy(() -> nodeName("data.node")).isInstanceOf(Expression.Failed.class);
  }

  private static @Nullable String nodeName(@Nullable String expression) throws Expression.Failed {
    Signal signal = new Signal("alert", FIRING, RESOLVED, "2h", null, null, expression);
    return ((Ask.ToHold) asks(event("firing"), signal).orElseThrow()).nodeName();
  }

  @Test
  void an_event_of_which_release_when_is_true_asks_to_release_the_same() throws Expression.Failed {
    assertThat(asks(event("resolved"), signal(RESOLVED, "data.name", "an alert fires")))
        .contains(new Ask.ToRelease(new HoldRequest(AGENT, "/alerts", "alert disk-full")));
  }

  @Test
  void where_both_are_true_the_event_asks_to_hold() throws Expression.Failed {
    assertThat(asks(event("firing"), signal("true", null, null)))
        .containsInstanceOf(Ask.ToHold.class);
  }

  @Test
  void where_neither_is_true_the_event_asks_nothing() throws Expression.Failed {
    assertThat(asks(event("pending"), signal(RESOLVED, null, null))).isEmpty();
  }

  @Test
  void without_release_when_only_the_ttl_ends_the_hold() throws Expression.Failed {
    assertThat(asks(event("resolved"), signal(null, null, null))).isEmpty();
  }

  @Test
  void without_a_key_the_subject_tells_holds_apart() throws Expression.Failed {
    assertThat(asks(event("firing"), signal(RESOLVED, null, null)))
        .map(it -> it.request().key())
        .contains("alert disk sda");
  }

  @Test
  void without_a_reason_type_and_key_are_the_reason_in_at_most_256_characters()
      throws Expression.Failed {
    assertThat(reason(signal(RESOLVED, null, null))).isEqualTo("signal alert alert disk sda");
    assertThat(reason(signal(RESOLVED, null, " "))).isEqualTo("signal alert alert disk sda");
    assertThat(reason(signal(RESOLVED, "'" + "x".repeat(1000) + "'", null))).hasSize(256);
  }

  @Test
  void an_expression_that_cannot_be_evaluated_fails_whatever_the_others_say() {
    SignalEvent withoutData = new SignalEvent("alert", "/alerts", "", Optional.empty());

    assertThatThrownBy(() -> asks(withoutData, signal("true", null, null)))
        .isInstanceOf(Expression.Failed.class);
    assertThatThrownBy(() -> asks(event("firing"), signal("true", "1", null)))
        .isInstanceOf(Expression.Failed.class)
        .hasMessageContaining("not a string");
    assertThatThrownBy(() -> asks(event("other"), signal("data.nothing", null, null)))
        .isInstanceOf(Expression.Failed.class);
  }

  private static String reason(Signal signal) throws Expression.Failed {
    return asks(event("firing"), signal).map(it -> ((Ask.ToHold) it).reason()).orElseThrow();
  }

  private static Optional<Ask> asks(SignalEvent event, Signal signal) throws Expression.Failed {
    return event.asks(signal, AGENT);
  }

  private static SignalEvent event(String status) {
    return new SignalEvent(
        "alert", "/alerts", "disk sda", Optional.of(Map.of("status", status, "name", "disk-full")));
  }

  private static Signal signal(
      @Nullable String releaseWhen, @Nullable String key, @Nullable String reason) {
    return new Signal("alert", FIRING, releaseWhen, "2h", key, reason, null);
  }
}
