package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.CompanionStatus;
import dev.chaperone.decide.Made;
import dev.chaperone.lab.install.NodeLabExtension;
import dev.chaperone.lab.nodes.NodeLab;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.start.ColdStarts;
import io.fabric8.kubernetes.api.model.Pod;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A target pod hangs, and its kubelet calls it not ready: its node may be drained to be repaired,
/// and no other meanwhile.
@ExtendWith(NodeLabExtension.class)
class NodesUnhealthyIT {
  private static final String[] ALL = {"node-1", "node-2", "node-3"};
  private static final String POLICY =
      "{maxUnavailable: 1, unhealthyNodeEvictionPolicy: IfNothingHolds}";

  private final NodeLab nodes;

  NodesUnhealthyIT(NodeLab nodes) {
    this.nodes = nodes;
  }

  @Test
  void the_node_of_a_target_that_hangs_is_drained_and_another_waits_until_it_is_repaired() {
    try (RealScene scene = guarded("unhealthy")) {
      scene.awaitAsleep();
      Pod hung = hang(scene, "node-2");
      scene.awaitReason("DisruptionAllowed", "OnlyUnhealthyNodes");
      Kubectl other = scene.drain("node-1");
      Scene.awaitHeld(other);
      awaitPassing(scene, "node-2");
      requireTruth(scene);

      assertThat(scene.drain("node-2").await(RealScene.LONG).orFail().exit()).isZero();
      requireNoneMayGo(scene);
      resume(scene, hung);
      scene.wake();
      requireNoneMayGo(scene);
      assertThat(other.isRunning()).isTrue();

      nodes.lab().kubectl("uncordon", "node-2").orFail();
      assertThat(other.await(RealScene.LONG).orFail().exit()).isZero();
      scene.awaitGuarded("node-2", "node-3");
      awaitApart(scene);
    }
  }

  @Test
  void a_Hold_keeps_the_node_of_a_target_that_hangs_too() {
    try (RealScene scene = guarded("unhealthy-held")) {
      hang(scene, "node-2");
      awaitPassing(scene, "node-2");

      scene.hold("freeze");
      scene.awaitEnforced("freeze");
      assertThat(scene.passing()).isEmpty();
      Kubectl unhealthy = scene.drain("node-2");
      Kubectl other = scene.drain("node-1");
      Scene.awaitHeld(unhealthy);
      Scene.awaitHeld(other);
      requireTruth(scene);

      scene.release("freeze");
      assertThat(unhealthy.await(RealScene.LONG).orFail().exit()).isZero();
      requireNoneMayGo(scene);
      assertThat(other.isRunning()).isTrue();
    }
  }

  @Test
  void a_node_counts_as_the_others_when_its_target_answers_again() {
    try (RealScene scene = guarded("healthy-again")) {
      Pod hung = hang(scene, "node-2");
      Instant ready = resume(scene, hung);
      Instant together = awaitApart(scene);
      System.out.printf(
          "%s: Ready → no guard apart %d ms%n", scene.name(), millis(ready, together));
      scene.awaitReason("DisruptionAllowed", "NothingHolds");
      awaitPassing(scene, ALL);

      assertThat(scene.drain("node-1").await(RealScene.LONG).orFail().exit()).isZero();
      Kubectl again = scene.drain("node-2");
      Scene.awaitHeld(again);
      requireNoneMayGo(scene);
      assertThat(again.isRunning()).isTrue();

      nodes.lab().kubectl("uncordon", "node-1").orFail();
      assertThat(again.await(RealScene.LONG).orFail().exit()).isZero();
    }
  }

  /// Three nodes of which any may be drained, and no more than one.
  private RealScene guarded(String name) {
    RealScene scene = new RealScene(nodes, name).withProbedTarget(POLICY, ALL);
    scene.awaitGuarded(ALL);
    scene.awaitReason("DisruptionAllowed", "NothingHolds");
    awaitPassing(scene, ALL);
    return scene;
  }

  /// Has a target pod hang until its guard has moved, and says how long that took.
  private Pod hang(RealScene scene, String node) {
    Pod target = scene.targetOn(node);
    String functions = ColdStarts.pods(nodes.lab()).isEmpty() ? "no pod" : "a pod";
    Instant hung = Instant.now();
    RealScene.signal("STOP", server(target));
    Instant apart = awaitApart(scene, node);
    assertThat(Set.of(node)).as("nodes that may go").containsAll(scene.passing());
    Instant unready = readySince(scene, target, "False");
    System.out.printf(
        "%s: hung → not Ready %d ms, → guard apart %d ms more (Ready has whole seconds), %s of the"
            + " functions there%n",
        scene.name(), millis(hung, unready), millis(unready, apart), functions);
    return target;
  }

  /// Has it answer again, and says since when its kubelet has called it Ready.
  private static Instant resume(RealScene scene, Pod target) {
    RealScene.signal("CONT", server(target));
    await("the target pod Ready")
        .atMost(RealScene.LONG)
        .until(() -> scene.seen(target).filter(Scene::isReady).isPresent());
    return readySince(scene, target, "True");
  }

  private static long server(Pod target) {
    return RealScene.process(target, "/app/pod serve");
  }

  private static long millis(Instant from, Instant to) {
    return Duration.between(from, to).toMillis();
  }

  /// Since when a pod is Ready or is not, as its kubelet says.
  private static Instant readySince(RealScene scene, Pod target, String status) {
    return scene.seen(target).orElseThrow().getStatus().getConditions().stream()
        .filter(it -> it.getType().equals("Ready") && it.getStatus().equals(status))
        .map(it -> Instant.parse(it.getLastTransitionTime()))
        .findFirst()
        .orElseThrow();
  }

  /// When the guards of these nodes, and of no others, were first seen apart, once the status says
  /// so too.
  private static Instant awaitApart(RealScene scene, String... apart) {
    Map<String, String> labels =
        Stream.of(apart).collect(Collectors.toMap(it -> it, _ -> Made.APART));
    await("labels of guards")
        .atMost(RealScene.LONG)
        .untilAsserted(() -> assertThat(labels(scene)).isEqualTo(labels));
    Instant seen = Instant.now();
    await("the status names them")
        .atMost(RealScene.LONG)
        .untilAsserted(
            () ->
                assertThat(scene.status().map(CompanionStatus::unhealthyNodes).orElse(List.of()))
                    .containsExactly(apart));
    return seen;
  }

  private static Map<String, String> labels(RealScene scene) {
    return scene.guards().stream()
        .filter(it -> it.getMetadata().getLabels().containsKey(Made.UNHEALTHY))
        .collect(
            Collectors.toMap(
                it -> it.getSpec().getNodeName(),
                it -> it.getMetadata().getLabels().get(Made.UNHEALTHY)));
  }

  private static void awaitPassing(RealScene scene, String... passing) {
    await("who may go")
        .atMost(RealScene.LONG)
        .untilAsserted(() -> assertThat(scene.passing()).containsExactly(passing));
  }

  /// While a node is drained: also once the functions have looked at what is left.
  private static void requireNoneMayGo(RealScene scene) {
    assertThat(scene.passing()).isEmpty();
    scene.awaitReason("DisruptionAllowed", "MaxUnavailableReached");
    assertThat(scene.passing()).isEmpty();
  }

  private void requireTruth(RealScene scene) {
    new Truth(nodes.lab().client(), scene.name()).require();
  }
}
