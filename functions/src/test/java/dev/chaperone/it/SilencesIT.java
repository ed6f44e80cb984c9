package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.monitoring.Alertmanager;
import dev.chaperone.lab.monitoring.Alertmanager.Alert;
import dev.chaperone.lab.programs.Installed;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// The Job of `knative/monitoring/silences.yaml`, against a real Alertmanager: the script as it is
/// shipped, with the rights that it is shipped with, each time as a CloudEvent would start it. That
/// the Trigger lets these CloudEvents through is for `MonitoringTest` to say. Skipped where a
/// program that the script calls is not installed.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class SilencesIT {
  private static final String TARGETS_ALERT = "KubeDaemonSetNotScheduled";

  private Installation chaperone;

  @Test
  void alerts_about_the_target_are_silent_while_a_node_is_out_and_not_much_longer()
      throws IOException {
    Monitoring.require(Installed.ALERTMANAGER, Installed.CURL, Installed.JQ);
    PodScript job = PodScript.install(lab(), Monitoring.FILES.resolve("silences.yaml"));
    try (Scene scene = new Scene(chaperone, "silenced", 2).withCompanion("{}");
        Alertmanager alertmanager =
            Alertmanager.start(lab(), Monitoring.FILES.resolve("alertmanager.yaml"))) {
      scene.awaitPods("target", 2);
      scene.pulseUntilGuarded();
      alertmanager.fire(alert(scene, "target"));
      alertmanager.fire(alert(scene, "other"));
      run(job, alertmanager, "300");
      assertThat(alertmanager.silences()).isEmpty();

      assertThat(scene.drain(1).await(Scene.LONG).exit()).isZero();
      pulseUntilOut(scene, List.of(scene.node(1)));
      run(job, alertmanager, "300");
      JsonNode silence = only(alertmanager, "active");
      assertThat(ends(silence)).isAfter(Instant.now().plusSeconds(60));
      assertThat(ends(silence)).isBefore(Instant.now().plusSeconds(301));
      assertThat(silence.path("comment").asText()).contains("silenced/agent");
      awaitSilent(alertmanager, "target", silence);
      assertThat(about(alertmanager, "other").isSuppressed()).isFalse();

      // The next CloudEvent renews it.
      run(job, alertmanager, "600");
      JsonNode renewed = only(alertmanager, "active");
      assertThat(renewed.path("id")).isEqualTo(silence.path("id"));
      assertThat(ends(renewed)).isAfter(ends(silence));

      // Without another one it ends by itself.
      run(job, alertmanager, "10");
      await("the end of the lease")
          .atMost(Scene.LONG)
          .until(() -> !about(alertmanager, "target").isSuppressed());

      // The node is still out, so the next one silences again.
      run(job, alertmanager, "300");
      JsonNode another = only(alertmanager, "active");
      awaitSilent(alertmanager, "target", another);

      // Once the node is back nothing renews it.
      scene.uncordon(1);
      pulseUntilOut(scene, List.of());
      run(job, alertmanager, "600");
      assertThat(only(alertmanager, "active")).isEqualTo(another);
    }
  }

  private void run(PodScript job, Alertmanager alertmanager, String leaseSeconds) {
    job.run(
            lab(),
            Map.of(
                "ALERTMANAGER",
                "http://" + alertmanager.address().getAuthority(),
                "LEASE_SECONDS",
                leaseSeconds))
        .orFail();
  }

  private void pulseUntilOut(Scene scene, List<String> nodes) {
    await("nodes that are out: " + nodes)
        .atMost(Scene.LONG)
        .pollInterval(Scene.HALF_A_SECOND)
        .until(
            () -> {
              chaperone.pulse();
              var drained = scene.companion().getStatus().drainedNodes();
              return (drained == null ? List.of() : drained.nodes()).equals(nodes);
            });
  }

  private static Map<String, String> alert(Scene scene, String daemonSet) {
    return Map.of("alertname", TARGETS_ALERT, "namespace", scene.name, "daemonset", daemonSet);
  }

  private static Alert about(Alertmanager alertmanager, String daemonSet) {
    return alertmanager.alerts().stream()
        .filter(it -> it.label("daemonset").equals(daemonSet))
        .findFirst()
        .orElseThrow();
  }

  private static void awaitSilent(Alertmanager alertmanager, String daemonSet, JsonNode silence) {
    await("silence " + silence)
        .atMost(Scene.LONG)
        .until(
            () ->
                about(alertmanager, daemonSet)
                    .silencedBy()
                    .equals(List.of(silence.path("id").asText())));
  }

  private static JsonNode only(Alertmanager alertmanager, String state) {
    List<JsonNode> all =
        alertmanager.silences().stream()
            .filter(it -> it.at("/status/state").asText().equals(state))
            .toList();
    assertThat(all).hasSize(1);
    return all.getFirst();
  }

  private static Instant ends(JsonNode silence) {
    return Instant.parse(silence.path("endsAt").asText());
  }

  private Lab lab() {
    return chaperone.lab();
  }
}
