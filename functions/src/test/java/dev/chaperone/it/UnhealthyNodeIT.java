package dev.chaperone.it;

import static dev.chaperone.lab.PodEviction.PASSED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.decide.Made;
import dev.chaperone.lab.knative.ApiServerSource;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Pod;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// A node whose target pod is not ready, against real drains: it goes, the others wait, and a Hold
/// keeps them all.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class UnhealthyNodeIT {
  private static final String POLICY = "unhealthyNodeEvictionPolicy: IfNothingHolds";

  private Installation chaperone;

  @Test
  void the_unhealthy_node_is_drained_while_the_others_wait() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = new Scene(chaperone, "unhealthy", 3).withCompanion("{" + POLICY + "}")) {
      scene.awaitGuarded(1, 2, 3);
      scene.awaitAllowed("agent-nodes", 1);

      targetReady(scene, 2, false);
      awaitApart(scene, 2);
      scene.awaitCondition("DisruptionAllowed", "True OnlyUnhealthyNodes");
      assertThat(scene.budget("agent-nodes").getSpec().getMinAvailable().getIntVal()).isEqualTo(2);
      new Truth(chaperone.lab().client(), scene.name).require();
      Kubectl other = scene.drain(1);
      Scene.awaitHeld(other);
      scene.awaitDrainBlocked(1, scene.node(2) + " (target pod not ready)");
      assertThat(scene.drain(2).await(Scene.LONG).exit()).isZero();
      assertThat(other.isRunning()).isTrue();
      scene.awaitCondition("DisruptionAllowed", "False MaxUnavailableReached");
      assertThat(other.isRunning()).isTrue();

      targetReady(scene, 2, true);
      scene.uncordon(2);
      assertThat(other.await(Scene.LONG).exit()).isZero();
      scene.uncordon(1);
      scene.awaitGuarded(1, 2, 3);
      scene.awaitAllowed("agent-nodes", 1);
      awaitApart(scene);
    }
  }

  @Test
  void a_hold_keeps_the_unhealthy_node_too() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = new Scene(chaperone, "unhealthy-held", 3).withCompanion("{" + POLICY + "}")) {
      scene.awaitGuarded(1, 2, 3);
      targetReady(scene, 2, false);
      awaitApart(scene, 2);
      awaitPassing(scene, 2);

      scene.hold("freeze");
      scene.awaitEnforced("freeze");
      requirePassing(scene);
      Kubectl unhealthy = scene.drain(2);
      Scene.awaitHeld(unhealthy);
      Kubectl other = scene.drain(1);
      Scene.awaitHeld(other);
      new Truth(chaperone.lab().client(), scene.name).require();

      scene.release("freeze");
      assertThat(unhealthy.await(Scene.LONG).exit()).isZero();
      assertThat(other.isRunning()).isTrue();
      scene.uncordon(2);
      targetReady(scene, 2, true);
      assertThat(other.await(Scene.LONG).exit()).isZero();
    }
  }

  @Test
  void a_node_that_is_ready_again_counts_as_the_others() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene =
            new Scene(chaperone, "healthy-again", 4)
                .withCompanion("{maxUnavailable: 2, " + POLICY + "}")) {
      scene.awaitGuarded(1, 2, 3, 4);
      scene.awaitAllowed("agent-nodes", 2);
      targetReady(scene, 2, false);
      awaitApart(scene, 2);
      scene.awaitAllowed("agent-nodes", 1);
      assertThat(scene.budget("agent-nodes").getSpec().getMinAvailable().getIntVal()).isEqualTo(2);

      targetReady(scene, 2, true);
      awaitApart(scene);
      scene.awaitAllowed("agent-nodes", 2);
      scene.awaitCondition("DisruptionAllowed", "True NothingHolds");

      targetReady(scene, 3, false);
      awaitApart(scene, 3);
      scene.patchCompanion(
          "{\"spec\":{\"disruption\":{\"unhealthyNodeEvictionPolicy\":\"IfBudgetAllows\"}}}");
      awaitLabels(scene, Map.of());
      scene.awaitAllowed("agent-nodes", 2);
      await("nothing that monitoring would take for a fault")
          .atMost(Scene.LONG)
          .until(() -> scene.budget("agent-unhealthy").getStatus().getDesiredHealthy() == 0);
      scene.hold("freeze");
      scene.awaitEnforced("freeze");
      requirePassing(scene);
    }
  }

  /// As a kubelet says it, of the target's pod on a node.
  private void targetReady(Scene scene, int number, boolean ready) {
    Pod pod =
        chaperone
            .lab()
            .client()
            .pods()
            .inNamespace(scene.name)
            .withLabel("app", "target")
            .list()
            .getItems()
            .stream()
            .filter(it -> scene.node(number).equals(it.getSpec().getNodeName()))
            .findFirst()
            .orElseThrow();
    chaperone
        .lab()
        .reportPod(
            scene.name,
            pod.getMetadata().getName(),
            "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}"
                .formatted(ready ? "True" : "False"));
  }

  private static void awaitApart(Scene scene, Integer... numbers) {
    awaitLabels(scene, Stream.of(numbers).collect(Collectors.toMap(scene::node, _ -> Made.APART)));
    await("the status names them")
        .atMost(Scene.LONG)
        .untilAsserted(
            () ->
                assertThat(scene.companion().getStatus().unhealthyNodes())
                    .containsExactlyElementsOf(Stream.of(numbers).map(scene::node).toList()));
  }

  private static void awaitLabels(Scene scene, Map<String, String> labels) {
    await("labels of guards")
        .atMost(Scene.LONG)
        .untilAsserted(
            () ->
                assertThat(
                        scene.guards().stream()
                            .filter(it -> it.getMetadata().getLabels().containsKey(Made.UNHEALTHY))
                            .collect(
                                Collectors.toMap(
                                    it -> it.getSpec().getNodeName(),
                                    it -> it.getMetadata().getLabels().get(Made.UNHEALTHY))))
                    .isEqualTo(labels));
  }

  private static void awaitPassing(Scene scene, Integer... numbers) {
    await().atMost(Scene.LONG).untilAsserted(() -> requirePassing(scene, numbers));
  }

  /// Whether exactly these nodes' guards would be evicted.
  private static void requirePassing(Scene scene, Integer... numbers) {
    List<String> passing =
        GuardEvictions.of(scene).dryRuns().entrySet().stream()
            .filter(it -> it.getValue() == PASSED)
            .map(Map.Entry::getKey)
            .sorted()
            .toList();
    assertThat(passing).isEqualTo(Stream.of(numbers).map(scene::node).toList());
  }
}
