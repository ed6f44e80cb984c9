package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.Test;

/// What an operator sees: health, and counts of what was done. Counts are compared before and
/// after, since all tests share the functions.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class TelemetryIT {
  private Installation chaperone;

  @Test
  void is_alive_and_ready_as_soon_as_it_answers() {
    assertThat(get("q/health/live").statusCode()).isEqualTo(200);
    assertThat(get("q/health/ready").statusCode()).isEqualTo(200);
  }

  @Test
  void is_ready_without_asking_the_api_server() {
    int before = chaperone.calls().size();

    assertThat(get("q/health").body()).contains("UP");

    assertThat(chaperone.calls()).hasSize(before);
  }

  @Test
  void a_decision_is_counted_with_its_answer_and_its_reason() {
    try (Scene scene = new Scene(chaperone, "counted", 1).withCompanion("{}")) {
      settle(scene);
      scene.hold("rebuild");
      double held = value("chaperone_decisions_total", "result=\"held\"", "reason=\"Hold\"");
      double allowed = value("chaperone_decisions_total", "result=\"allowed\"");

      chaperone.changed("Hold", scene.name, "rebuild");
      chaperone.changed("Hold", scene.name, "rebuild");

      assertThat(value("chaperone_decisions_total", "result=\"held\"", "reason=\"Hold\""))
          .isEqualTo(held + 2);
      assertThat(value("chaperone_decisions_total", "result=\"allowed\"")).isEqualTo(allowed);
    }
  }

  @Test
  void calls_to_the_api_server_are_counted_as_its_own_audit_log_counts_them() {
    try (Scene scene = new Scene(chaperone, "audited", 1).withCompanion("{}")) {
      settle(scene);
      scene.hold("rebuild");
      int audited = chaperone.calls().size();
      double counted = value("chaperone_api_request_duration_seconds_count");
      double budgets = budgetsWritten();

      assertThat(chaperone.changed("Hold", scene.name, "rebuild").statusCode()).isEqualTo(200);

      // The audit log is written a moment after the answer.
      await()
          .atMost(Scene.LONG)
          .untilAsserted(
              () ->
                  assertThat(value("chaperone_api_request_duration_seconds_count") - counted)
                      .isEqualTo(chaperone.calls().size() - audited));
      assertThat(budgetsWritten()).isEqualTo(budgets + 2);
    }
  }

  @Test
  void an_event_is_counted_by_its_function_and_its_answer() {
    double pulses = value("chaperone_event_duration_seconds_count", "function=\"pulse\"");
    double signals = events("signal", 400);
    double none = events("none", 406);

    chaperone.pulse();
    chaperone.post(chaperone.event("com.example.nobody-wants-this"));
    chaperone.post(
        HttpRequest.newBuilder(chaperone.functions())
            .POST(HttpRequest.BodyPublishers.ofString("no event")));

    assertThat(value("chaperone_event_duration_seconds_count", "function=\"pulse\""))
        .isEqualTo(pulses + 1);
    assertThat(events("signal", 400)).isEqualTo(signals + 1);
    assertThat(events("none", 406)).isEqualTo(none + 1);
  }

  /// Until nothing is left to do: also, until the functions are fast enough on a busy machine.
  private void settle(Scene scene) {
    scene.awaitCounted();
    scene.pulseUntilGuarded();
  }

  private double budgetsWritten() {
    return value(
        "chaperone_api_request_duration_seconds_count",
        "verb=\"patch\"",
        "resource=\"poddisruptionbudgets\"",
        "code=\"200\"");
  }

  private double events(String function, int code) {
    return value(
        "chaperone_event_duration_seconds_count",
        "function=\"" + function + "\"",
        "code=\"" + code + "\"");
  }

  /// The sum over all series of this name that have these labels.
  private double value(String name, String... labels) {
    return get("q/metrics")
        .body()
        .lines()
        .filter(line -> line.startsWith(name + "{") || line.startsWith(name + " "))
        .filter(
            line -> {
              for (String label : labels) {
                if (!line.contains(label)) {
                  return false;
                }
              }
              return true;
            })
        .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
        .sum();
  }

  private HttpResponse<String> get(String path) {
    return chaperone.post(HttpRequest.newBuilder(chaperone.functions().resolve(path)).GET());
  }
}
