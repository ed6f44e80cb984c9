package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.monitoring.KubeStateMetrics;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Instant;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/// What kube-state-metrics reports with the shipped configuration and rights, of which the shipped
/// alerts and the shipped dashboard are made.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class KubeStateMetricsIT {
  private Installation chaperone;

  @Test
  void a_held_companion_and_its_hold_are_reported_with_reasons_and_times() throws IOException {
    Instant expires = Instant.now().plusSeconds(7200);
    try (Scene scene = new Scene(chaperone, "metrics", 2).withCompanion("{}")) {
      Monitoring.installRights(chaperone.lab());
      scene.awaitPods("target", 2);
      scene.pulseUntilGuarded();
      scene.hold("rebuild", expires);
      await("the block")
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.changed("Hold", scene.name, "rebuild");
                return scene.condition("DisruptionAllowed").equals("False Hold");
              });
      try (KubeStateMetrics metrics = Monitoring.startMetrics(chaperone.lab())) {
        await("metrics of Companion and Hold")
            .atMost(Scene.LONG)
            .untilAsserted(
                () ->
                    assertThat(metrics.scrape())
                        .contains("chaperone_companion_info{")
                        .contains("chaperone_hold_created_seconds{"));
        String page = metrics.scrape();

        assertThat(value(page, "chaperone_companion_info", "target=\"target\"", "policy=\"Auto\""))
            .isEqualTo(1);
        assertThat(
                value(
                    page,
                    "chaperone_companion_condition",
                    "namespace=\"metrics\"",
                    "name=\"agent\"",
                    "condition=\"DisruptionAllowed\"",
                    "reason=\"Hold\""))
            .isZero();
        assertThat(value(page, "chaperone_companion_condition", "condition=\"Ready\""))
            .isEqualTo(1);
        assertThat(
                value(
                    page,
                    "chaperone_companion_blocking_since_seconds",
                    "type=\"Hold\"",
                    "reason_name=\"rebuild\""))
            .isBetween(
                (double) expires.minusSeconds(7500).getEpochSecond(),
                (double) expires.getEpochSecond());
        assertThat(value(page, "chaperone_companion_guards_desired")).isEqualTo(2);
        assertThat(value(page, "chaperone_companion_guards_running")).isEqualTo(2);
        assertThat(value(page, "chaperone_hold_expires_seconds", "companion=\"agent\""))
            .isEqualTo((double) expires.getEpochSecond());
        assertThat(value(page, "chaperone_hold_condition", "condition=\"Enforced\"")).isEqualTo(1);
        assertThat(value(page, "chaperone_companion_generation")).isEqualTo(1);
        assertThat(value(page, "chaperone_companion_observed_generation", "condition=\"Guarded\""))
            .isEqualTo(1);
        assertThat(value(page, "chaperone_hold_generation")).isEqualTo(1);
        assertThat(value(page, "chaperone_hold_observed_generation", "condition=\"Active\""))
            .isEqualTo(1);

        assertThat(page).doesNotContain("chaperone_companion_unguarded_node_info{");
        lacksAGuard(scene);
        await("a node without a guard")
            .atMost(Scene.LONG)
            .untilAsserted(
                () ->
                    assertThat(
                            value(
                                metrics.scrape(),
                                "chaperone_companion_unguarded_node_info",
                                "name=\"agent\"",
                                "node=\"metrics-1\""))
                        .isEqualTo(1));
        String then = metrics.scrape();
        assertThat(metricsIn("companions-rule.yaml", "dashboard.json"))
            .allSatisfy(it -> assertThat(then).contains(it + "{"));
      }
    }
  }

  /// As a kubelet reports a guard whose image is missing.
  private void lacksAGuard(Scene scene) {
    String guard = GuardEvictions.of(scene).on(scene.node(1)).orElseThrow().getMetadata().getName();
    chaperone
        .lab()
        .kubectl(
            "patch",
            "pod",
            guard,
            "-n",
            scene.name,
            "--subresource=status",
            "-p",
            "{\"status\": {\"phase\": \"Pending\"}}")
        .orFail();
    chaperone.pulse();
  }

  private static Set<String> metricsIn(String... files) throws IOException {
    Set<String> metrics = new TreeSet<>();
    for (String file : files) {
      Pattern.compile("\\bchaperone_(companion|hold)_[a-z_]+")
          .matcher(Files.readString(Monitoring.FILES.resolve(file)))
          .results()
          .forEach(it -> metrics.add(it.group()));
    }
    return metrics;
  }

  /// The one value of the series with these labels.
  private static double value(String page, String metric, String... labels) {
    return page.lines()
        .filter(it -> it.startsWith(metric + "{"))
        // Namespaces of other tests may still be going.
        .filter(it -> it.contains("namespace=\"metrics\""))
        .filter(it -> Set.of(labels).stream().allMatch(it::contains))
        .map(it -> it.substring(it.lastIndexOf(' ') + 1))
        .map(Double::parseDouble)
        .reduce(
            (one, other) -> {
              throw new AssertionError("more than one series of " + metric + " in\n" + page);
            })
        .orElseThrow(() -> new AssertionError("no series of " + metric + " in\n" + page));
  }
}
