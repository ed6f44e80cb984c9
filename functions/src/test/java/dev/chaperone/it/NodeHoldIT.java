package dev.chaperone.it;

import static dev.chaperone.it.GuardEvictions.REFUSED;
import static dev.chaperone.lab.PodEviction.PASSED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Hold;
import dev.chaperone.lab.knative.ApiServerSource;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Pod;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// Holds of one node, against real drains: that node stays, the others go, as many at a time as
/// may.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class NodeHoldIT {
  private Installation chaperone;

  @Test
  void the_held_node_waits_while_the_others_go_one_at_a_time() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = new Scene(chaperone, "one-node", 4).withCompanion("{}")) {
      scene.awaitGuarded(1, 2, 3, 4);
      scene.awaitAllowed("agent-nodes", 1);
      scene.holdNode("rebuild", 1);
      scene.awaitEnforced("rebuild");
      scene.awaitCondition("DisruptionAllowed", "True NodesHeld");
      scene.awaitAllowed("agent-nodes", 1);

      Kubectl held = scene.drain(1);
      Scene.awaitHeld(held);
      scene.awaitDrainBlocked(1, "Hold rebuild of node " + scene.node(1) + ": a test");
      assertThat(scene.drain(2).await(Scene.LONG).exit()).isZero();
      Kubectl next = scene.drain(3);
      Scene.awaitHeld(next);
      assertThat(held.isRunning()).isTrue();
      new Truth(chaperone.lab().client(), scene.name).require();

      scene.uncordon(2);
      assertThat(next.await(Scene.LONG).exit()).isZero();
      scene.uncordon(3);
      scene.awaitGuarded(1, 2, 3, 4);
      scene.awaitAllowed("agent-nodes", 1);
      assertThat(held.isRunning()).isTrue();

      scene.release("rebuild");
      assertThat(held.await(Scene.LONG).exit()).isZero();
      scene.awaitCondition("DisruptionAllowed", "False MaxUnavailableReached");
      scene.uncordon(1);
      scene.awaitCondition("DisruptionAllowed", "True NothingHolds");
      scene.awaitAllowed("agent-nodes", 1);
      await("nothing that monitoring would take for a fault")
          .atMost(Scene.LONG)
          .until(() -> scene.budget("agent-held").getStatus().getDesiredHealthy() == 0);
    }
  }

  @Test
  void two_held_nodes_and_a_hold_of_every_node_besides() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = new Scene(chaperone, "two-nodes", 4).withCompanion("{maxUnavailable: 2}")) {
      scene.awaitGuarded(1, 2, 3, 4);
      scene.holdNode("first", 1);
      scene.holdNode("second", 2);
      scene.awaitEnforced("first");
      scene.awaitEnforced("second");
      scene.awaitAllowed("agent-nodes", 2);
      requireRefused(scene, 1, 2);

      scene.hold("all");
      scene.awaitEnforced("all");
      requireRefused(scene, 1, 2, 3, 4);

      scene.release("all");
      scene.awaitAllowed("agent-nodes", 2);
      requireRefused(scene, 1, 2);

      scene.release("first");
      scene.awaitAllowed("agent-nodes", 2);
      await("the first node goes as the others do")
          .atMost(Scene.LONG)
          .untilAsserted(() -> requireRefused(scene, 2));
    }
  }

  @Test
  void the_nodes_with_the_labels_wait_while_the_others_go() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = new Scene(chaperone, "labels", 4).withCompanion("{}")) {
      scene.awaitGuarded(1, 2, 3, 4);
      scene.holdNodes("racks", "nodeSelector: {example.com/rack: r1}");
      await("a Hold of no node")
          .atMost(Scene.LONG)
          .untilAsserted(
              () -> assertThat(of(scene, "racks", "Active")).startsWith("False NoMatch"));
      requireRefused(scene);

      label(scene, 1, "r1");
      label(scene, 2, "r1");
      label(scene, 3, "r2");
      chaperone.pulse();
      scene.awaitEnforced("racks");
      scene.awaitCondition("DisruptionAllowed", "True NodesHeld");
      scene.awaitAllowed("agent-nodes", 1);
      Kubectl first = scene.drain(1);
      Scene.awaitHeld(first);
      Kubectl second = scene.drain(2);
      Scene.awaitHeld(second);
      assertThat(scene.drain(3).await(Scene.LONG).exit()).isZero();
      Kubectl other = scene.drain(4);
      Scene.awaitHeld(other);
      scene.uncordon(3);
      assertThat(other.await(Scene.LONG).exit()).isZero();
      scene.uncordon(4);
      scene.awaitGuarded(1, 2, 3, 4);
      scene.awaitAllowed("agent-nodes", 1);
      assertThat(first.isRunning() && second.isRunning()).isTrue();
      new Truth(chaperone.lab().client(), scene.name).require();

      label(scene, 2, "r2");
      chaperone.pulse();
      assertThat(second.await(Scene.LONG).exit()).isZero();
      assertThat(first.isRunning()).isTrue();
      scene.uncordon(2);
      scene.awaitGuarded(1, 2, 3, 4);
      scene.awaitAllowed("agent-nodes", 1);
      scene.release("racks");
      assertThat(first.await(Scene.LONG).exit()).isZero();
    }
  }

  private void label(Scene scene, int number, String rack) {
    chaperone
        .lab()
        .kubectl("label", "--overwrite", "node", scene.node(number), "example.com/rack=" + rack)
        .orFail();
  }

  @Test
  void a_guard_that_is_made_anew_is_never_under_the_budget_of_the_others() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = new Scene(chaperone, "anew", 3).withCompanion("{}")) {
      scene.awaitGuarded(1, 2, 3);
      scene.holdNode("rebuild", 1);
      scene.awaitEnforced("rebuild");
      GuardEvictions evictions = GuardEvictions.of(scene);
      Pod before = evictions.on(scene.node(1)).orElseThrow();

      chaperone.lab().client().resource(before).withGracePeriod(0).delete();

      await("another guard on node 1")
          .atMost(Scene.LONG)
          .until(
              () -> {
                Optional<Pod> now =
                    evictions
                        .on(scene.node(1))
                        .filter(
                            it -> !it.getMetadata().getUid().equals(before.getMetadata().getUid()));
                now.ifPresent(
                    it ->
                        assertThat(it.getMetadata().getLabels())
                            .as("as soon as it has its node")
                            .containsKey("chaperone.dev/held-for"));
                return now.filter(GuardEvictions::isRunning).isPresent();
              });
      await("enforced again").atMost(Scene.LONG).untilAsserted(() -> requireRefused(scene, 1));
      new Truth(chaperone.lab().client(), scene.name).require();
    }
  }

  @Test
  void where_the_budget_of_held_nodes_cannot_be_made_nothing_is_said_to_be_enforced() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = new Scene(chaperone, "no-budget", 3).withCompanion("{}")) {
      scene.awaitGuarded(1, 2, 3);
      scene.holdNode("rebuild", 1);
      scene.awaitEnforced("rebuild");
      scene.apply(
          """
          apiVersion: v1
          kind: ResourceQuota
          metadata: {name: few, namespace: %s}
          spec: {hard: {count/poddisruptionbudgets.policy: "2"}}
          """
              .formatted(scene.name));
      await("the quota")
          .atMost(Scene.LONG)
          .until(
              () ->
                  chaperone
                      .lab()
                      .kubectl("get", "resourcequota", "few", "-n", scene.name, "-o", "yaml")
                      .out()
                      .contains("used:"));

      chaperone
          .lab()
          .kubectl("delete", "poddisruptionbudget", "agent-held", "-n", scene.name)
          .orFail();

      await("what is so")
          .atMost(Scene.LONG)
          .untilAsserted(() -> assertThat(enforced(scene)).startsWith("False NotEnforced"));
      assertThat(GuardEvictions.of(scene).dryRuns()).containsEntry(scene.node(1), PASSED);
      scene.hold("all");
      scene.awaitCondition("DisruptionAllowed", "Unknown NotEnforced");
      assertThat(GuardEvictions.of(scene).dryRuns()).containsEntry(scene.node(1), PASSED);

      chaperone.lab().kubectl("delete", "resourcequota", "few", "-n", scene.name).orFail();
      await("enforced again")
          .atMost(Scene.LONG)
          .untilAsserted(
              () -> {
                chaperone.pulse();
                assertThat(enforced(scene)).startsWith("True Enforced");
              });
      scene.awaitCondition("DisruptionAllowed", "False Hold");
      requireRefused(scene, 1, 2, 3);
    }
  }

  /// What the Hold `rebuild` says.
  private String enforced(Scene scene) {
    return of(scene, "rebuild", "Enforced");
  }

  /// What a condition of a Hold says.
  private String of(Scene scene, String hold, String condition) {
    return chaperone
        .lab()
        .kubectl(
            "get",
            "hold",
            hold,
            "-n",
            scene.name,
            "-o",
            "jsonpath={range .status.conditions[?(@.type=='%s')]}{.status} {.reason} {.message}{end}"
                .formatted(condition))
        .out();
  }

  @Test
  void an_event_holds_one_node_and_releases_it() {
    try (Scene scene = new Scene(chaperone, "by-event", 3).withCompanion("{}")) {
      scene.pulseUntilGuarded();
      scene.settle();
      chaperone
          .lab()
          .addServiceAccount(
              scene.name,
              "array",
              "{apiGroups: [chaperone.dev], resources: [holds], verbs: [create, delete]}");
      HttpRequest.Builder event =
          chaperone
              .event("dev.chaperone.hold")
              .header("content-type", "application/json")
              .header(
                  "Authorization",
                  "Bearer " + chaperone.lab().token(scene.name, "array", "chaperone.dev"))
              .POST(
                  BodyPublishers.ofString(
                      """
                      {"companion": "%s/agent", "key": "rebuild", "reason": "a test", "nodeName": "%s"}
                      """
                          .formatted(scene.name, scene.node(2))));

      assertThat(chaperone.post(event).statusCode()).isIn(200, 204);

      requireRefused(scene, 2);
      Hold hold =
          chaperone
              .lab()
              .client()
              .resources(Hold.class)
              .inNamespace(scene.name)
              .list()
              .getItems()
              .getFirst();
      assertThat(hold.getSpec().nodeName()).isEqualTo(scene.node(2));
      scene.release(hold.getMetadata().getName());
      chaperone.changed("Hold", scene.name, hold.getMetadata().getName());
      requireRefused(scene);
    }
  }

  @Test
  void while_a_node_of_one_zone_is_out_no_drain_of_another_passes() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = new Scene(chaperone, "zones", 5)) {
      for (int number = 1; number <= 5; number++) {
        chaperone
            .lab()
            .kubectl(
                "label",
                "node",
                scene.node(number),
                "topology.kubernetes.io/zone=" + (number < 4 ? "a" : "b"))
            .orFail();
      }
      scene.withCompanion("{maxUnavailable: 2, topologyKey: topology.kubernetes.io/zone}");
      scene.awaitGuarded(1, 2, 3, 4, 5);
      scene.awaitAllowed("agent-nodes", 1);

      assertThat(scene.drain(1).await(Scene.LONG).exit()).isZero();
      Kubectl ofB = scene.drain(4);
      Scene.awaitHeld(ofB);
      scene.awaitCondition("DisruptionAllowed", "True OneDomainAtATime");
      scene.awaitDrainBlocked(4, "of topology.kubernetes.io/zone a is out");
      assertThat(scene.drain(2).await(Scene.LONG).exit()).as("two of one zone may").isZero();
      Kubectl third = scene.drain(3);
      Scene.awaitHeld(third);
      assertThat(ofB.isRunning()).isTrue();

      scene.uncordon(1);
      assertThat(third.await(Scene.LONG).exit()).isZero();
      assertThat(ofB.isRunning()).isTrue();
      scene.uncordon(2);
      scene.uncordon(3);
      assertThat(ofB.await(Scene.LONG).exit()).isZero();
      Kubectl ofA = scene.drain(1);
      Scene.awaitHeld(ofA);

      scene.deleteNode(4);
      assertThat(ofA.await(Scene.LONG).exit()).isZero();
    }
  }

  /// Whether exactly these nodes' guards cannot be evicted.
  private static void requireRefused(Scene scene, Integer... numbers) {
    List<String> refused =
        GuardEvictions.of(scene).dryRuns().entrySet().stream()
            .filter(it -> it.getValue() != PASSED)
            .peek(it -> assertThat(it.getValue()).as(it.getKey()).isEqualTo(REFUSED))
            .map(Map.Entry::getKey)
            .sorted()
            .toList();
    assertThat(refused).isEqualTo(Stream.of(numbers).map(scene::node).toList());
  }
}
