package dev.chaperone.kubectl;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.Hold;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Tables, as kubectl prints them.
class TablesTest {
  private static final Instant NOW = Instant.parse("2026-01-01T12:00:00Z");

  @Test
  void holds_have_age_and_end() {
    assertThat(
            HoldsTable.lines(
                List.of(
                    hold("b", "expiresAt: \"2026-01-01T13:30:00Z\""),
                    hold("c", "expiresAt: \"2026-01-01T11:30:00Z\""),
                    hold("a", "")),
                false,
                NOW))
        .containsExactly(
            "NAMESPACE   NAME   COMPANION   ACTIVE   ENFORCED   AGE   REMAINING       REASON",
            "storage     a      agent       True     <none>     60m   until deleted   a test",
            "storage     b      agent       True     <none>     60m   90m             a test",
            "storage     c      agent       True     <none>     60m   expired         a test");
  }

  @Test
  void companions_have_their_answer_and_the_nodes_that_are_out() {
    assertThat(
            StatusTable.lines(
                List.of(
                    Objects.companion(
                        """
                        {guards: {desired: 3, bound: 2, running: 2}, blockedNodes: [n3],
                         unguardedNodes: [{name: n4, message: new}],
                         drainedNodes: {nodes: [n1, n2], lastTime: "2026-01-01T11:00:00Z"},
                         conditions: [{type: DisruptionAllowed, status: Unknown, reason: NotEnforced,
                          message: no guard, lastTransitionTime: "2026-01-01T11:55:00Z"}]}""")),
                true,
                NOW))
        .containsExactly(
            "NAMESPACE   NAME    ALLOWED   REASON        SINCE   GUARDS   UNGUARDED   DRAINED   BLOCKED  "
                + " TARGET   MAX-UNAVAILABLE   MESSAGE",
            "storage     agent   Unknown   NotEnforced   5m      2/3      n4          n1,n2     n3       "
                + " target   1                 no guard");
    assertThat(StatusTable.lines(List.of(Objects.companion("{}")), false, NOW).getLast())
        .isEqualTo(
            "storage     agent   <none>    NotReported   <none>   <none>   <none>      <none>    <none>");
  }

  private static Hold hold(String name, String end) {
    return Objects.read(
        Hold.class,
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: %s, namespace: storage, creationTimestamp: "2026-01-01T11:00:00Z"}
        spec:
          companionRef: {name: agent}
          reason: a test
          %s
        status: {conditions: [{type: Active, status: "True"}]}
        """
            .formatted(name, end));
  }
}
