package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.knative.ApiServerSource;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Pod;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Real drains against a real control plane, with the real ApiServerSource telling the functions
/// what happens.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class DrainIT {
  private Installation chaperone;
  private ApiServerSource sources;

  @BeforeEach
  void startSources() {
    sources = chaperone.startSources();
  }

  @AfterEach
  void stopSources() {
    sources.close();
  }

  @Test
  void a_drain_is_held_while_closed_and_let_through_when_open() {
    try (Scene scene = new Scene(chaperone, "held", 3).withCompanion("{}")) {
      scene.awaitGuarded(1, 2, 3);
      scene.hold("rebuild");
      scene.awaitAllowed("agent-nodes", 0);

      Kubectl drain = scene.drain(1);
      Scene.awaitHeld(drain);
      scene.awaitCondition("DisruptionAllowed", "False Hold");
      await()
          .atMost(Scene.LONG)
          .untilAsserted(
              () ->
                  assertThat(chaperone.lab().kubectl("describe", "node", scene.node(1)).out())
                      .contains("DrainBlocked")
                      .contains("Hold rebuild: a test"));
      assertThat(scene.guardedNodes()).contains(scene.node(1));

      scene.release("rebuild");
      assertThat(drain.await(Scene.LONG).exit()).isZero();
      scene.awaitCondition("DisruptionAllowed", "False MaxUnavailableReached");
      scene.uncordon(1);
      scene.awaitCondition("DisruptionAllowed", "True NothingHolds");
    }
  }

  @Test
  void of_two_drains_at_the_same_time_exactly_one_goes_until_its_node_is_back() {
    try (Scene scene = new Scene(chaperone, "two", 3).withCompanion("{}")) {
      scene.awaitGuarded(1, 2, 3);
      scene.awaitAllowed("agent-nodes", 1);

      List<Kubectl> drains = List.of(scene.drain(1), scene.drain(2));
      await().atMost(Scene.LONG).until(() -> drains.stream().anyMatch(it -> !it.isRunning()));
      int first = drains.get(0).isRunning() ? 1 : 0;
      assertThat(drains.get(first).await(Scene.LONG).exit()).isZero();
      Kubectl second = drains.get(1 - first);
      Scene.awaitHeld(second);
      assertThat(scene.guardedNodes())
          .containsExactlyInAnyOrder(scene.node(2 - first), scene.node(3));

      scene.uncordon(first + 1);
      assertThat(second.await(Scene.LONG).exit()).isZero();
      scene.awaitGuarded(first + 1, 3);
    }
  }

  @Test
  void an_uncordoned_node_gets_its_guard_back() {
    try (Scene scene = new Scene(chaperone, "uncordon", 2).withCompanion("{}")) {
      scene.awaitGuarded(1, 2);
      scene.awaitAllowed("agent-nodes", 1);
      assertThat(scene.drain(1).await(Scene.LONG).exit()).isZero();
      scene.awaitGuarded(2);

      scene.uncordon(1);

      scene.awaitGuarded(1, 2);
      scene.awaitAllowed("agent-nodes", 1);
    }
  }

  @Test
  void a_deleted_nodes_guard_and_its_share_of_the_budget_go() {
    try (Scene scene = new Scene(chaperone, "deleted", 3).withCompanion("{}")) {
      scene.awaitGuarded(1, 2, 3);

      scene.deleteNode(2);

      scene.awaitGuarded(1, 3);
      // Kubernetes counts the DaemonSet's nodes anew when their pods are cleared away, within a
      // minute; or when the DaemonSet is touched.
      await()
          .atMost(Scene.LONG)
          .pollInterval(Scene.HALF_A_SECOND)
          .until(
              () -> {
                scene.recount("target");
                return scene.guards().size() == 2;
              });
      await()
          .atMost(Scene.LONG)
          .until(() -> scene.budget("agent-nodes").getStatus().getExpectedPods() == 2);
      scene.awaitAllowed("agent-nodes", 1);
    }
  }

  @Test
  void a_guard_deleted_by_hand_is_replaced_and_bound() {
    try (Scene scene = new Scene(chaperone, "by-hand", 2).withCompanion("{}")) {
      scene.awaitGuarded(1, 2);
      String deleted = scene.guards().getFirst().getMetadata().getName();

      chaperone.lab().kubectl("delete", "pod", deleted, "-n", scene.name).orFail();

      scene.awaitGuarded(1, 2);
      assertThat(scene.guards())
          .extracting(pod -> pod.getMetadata().getName())
          .doesNotContain(deleted);
    }
  }

  @ParameterizedTest
  @CsvSource({"taint-hold, true", "taint-open, false"})
  void a_taint_on_two_nodes_at_once_takes_no_running_guard_away(String name, boolean held) {
    try (Scene scene = new Scene(chaperone, name, 3).withCompanion("{}")) {
      scene.awaitGuarded(1, 2, 3);
      if (held) {
        scene.hold("rebuild");
      }
      Set<String> before = names(scene.guards());

      scene.taint("target", 1, 2);

      chaperone.pulse();
      assertThat(names(scene.guards())).isEqualTo(before);
      scene.awaitGuarded(1, 2, 3);
    }
  }

  @ParameterizedTest
  @CsvSource({"two-of-four, 2, 4, 2", "percent, 40%, 5, 2", "rounded-up, 41%, 4, 2"})
  void as_many_drains_go_at_once_as_max_unavailable_says(
      String name, String maxUnavailable, int nodes, int expected) {
    try (Scene scene =
        new Scene(chaperone, name, nodes)
            .withCompanion("{maxUnavailable: %s}".formatted(maxUnavailable))) {
      scene.awaitGuarded(IntStream.rangeClosed(1, nodes).boxed().toArray(Integer[]::new));
      scene.awaitAllowed("agent-nodes", expected);
      scene.awaitAllowed("agent-pods", expected);

      List<Kubectl> drains = IntStream.rangeClosed(1, nodes).mapToObj(scene::drain).toList();

      await().atMost(Scene.LONG).until(() -> running(drains).count() == nodes - expected);
      running(drains).forEach(Scene::awaitHeld);
      assertThat(scene.guardedNodes()).hasSize(nodes - expected);
      drains.forEach(Kubectl::destroy);
    }
  }

  @Test
  void always_allow_opens_at_once() {
    try (Scene scene = new Scene(chaperone, "break-glass", 2).withCompanion("{}")) {
      scene.awaitGuarded(1, 2);
      scene.hold("rebuild");
      scene.awaitAllowed("agent-nodes", 0);
      Kubectl drain = scene.drain(1);
      Scene.awaitHeld(drain);

      scene.companion("{policy: AlwaysAllow}");

      assertThat(drain.await(Scene.LONG).exit()).isZero();
      scene.uncordon(1);
      scene.awaitCondition("DisruptionAllowed", "True AlwaysAllow");
    }
  }

  private static Stream<Kubectl> running(List<Kubectl> drains) {
    return drains.stream().filter(Kubectl::isRunning);
  }

  private static Set<String> names(List<Pod> pods) {
    return pods.stream().map(pod -> pod.getMetadata().getName()).collect(Collectors.toSet());
  }
}
