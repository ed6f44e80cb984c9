package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.NodeLabExtension;
import dev.chaperone.lab.nodes.NodeLab;
import dev.chaperone.lab.nodes.RealNode;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Pod;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A kubelet that is short of something, or whose machine shuts down, ends pods by itself and asks
/// no budget. What has to be right is what the status says, and every other node.
@ExtendWith(NodeLabExtension.class)
class NodesPressureIT {
  private final NodeLab nodes;
  private final Lab lab;

  NodesPressureIT(NodeLab nodes) {
    this.nodes = nodes;
    this.lab = nodes.lab();
  }

  @Test
  void a_node_short_of_memory_loses_its_guard_and_the_drain_of_another_goes_on_waiting() {
    RealNode node = nodes.node("node-2");
    try (RealScene scene = new RealScene(nodes, "memory").withCompanion("node-1", "node-2")) {
      Kubectl drain = scene.heldDrainOfNode1("node-1", "node-2");

      // Not evictionHard, which is a reservation besides, and may not be more than there is.
      node.restartKubelet(
          """
          evictionSoft: {memory.available: 1Ti}
          evictionSoftGracePeriod: {memory.available: 1s}
          """);
      try {
        awaitCondition("node-2", "MemoryPressure", "True");
        Pod evicted = awaitEnded(scene, "node-2");
        report(scene);
        assertThat(
                lab.kubectl("get", "events", "-n", scene.name(), "--field-selector=reason=Evicted")
                    .out())
            .contains(evicted.getMetadata().getName());
        assertWaits(scene, drain);
      } finally {
        node.restartKubelet("");
        awaitCondition("node-2", "MemoryPressure", "False");
      }
      awaitEnds(scene, drain, "node-1", "node-2");
    }
  }

  @Test
  void a_node_short_of_disk_loses_target_and_guard_and_uses_up_maxUnavailable_until_it_is_back() {
    try (RealScene scene = new RealScene(nodes, "disk").withCompanion("node-1", "node-3")) {
      Kubectl drain = scene.heldDrainOfNode1("node-1", "node-3");

      nodes.node("node-3").restartKubelet("evictionHard: {nodefs.available: 99%}\n");
      try {
        awaitCondition("node-3", "DiskPressure", "True");
        awaitOut(scene, drain, "node-3");
      } finally {
        // The kubelet has also removed the images that no pod used.
        nodes.node("node-3").end();
        nodes.join("node-3");
      }
      assertThat(drain.await(RealScene.LONG).orFail().exit()).isZero();
    }
  }

  @Test
  void a_node_that_shuts_down_gracefully_uses_up_maxUnavailable_until_it_is_back() {
    RealNode node = nodes.node("node-2");
    node.startLogind();
    node.restartKubelet("shutdownGracePeriod: 20s\nshutdownGracePeriodCriticalPods: 5s\n");
    try (RealScene scene = new RealScene(nodes, "shutdown").withCompanion("node-1", "node-2")) {
      nodes.awaitReady("node-2");
      Kubectl drain = scene.heldDrainOfNode1("node-1", "node-2");

      node.prepareForShutdown(true);
      try {
        awaitNoGuard(scene, "node-2");
        // From now on, the DaemonSet controller does not count it.
        await("node-2 not Ready").atMost(RealScene.LONG).until(() -> !nodes.isReady("node-2"));
        awaitOut(scene, drain, "node-2");
      } finally {
        node.prepareForShutdown(false);
        nodes.awaitReady("node-2");
      }
      assertThat(drain.await(RealScene.LONG).orFail().exit()).isZero();
    } finally {
      node.restartKubelet("");
    }
  }

  private static void assertWaits(RealScene scene, Kubectl drain) {
    assertThat(drain.isRunning()).isTrue();
    assertThat(scene.closed()).isTrue();
  }

  private void awaitNoGuard(RealScene scene, String node) {
    await(node + " to lose its guard")
        .atMost(RealScene.LONG)
        .until(() -> scene.guardsOn(node).stream().noneMatch(Scene::isReady));
    report(scene);
  }

  /// Waits until the node has lost what ran there. Nothing opens for that; and when nothing else
  /// blocks any more, the node is named as the one that is out.
  private void awaitOut(RealScene scene, Kubectl drain, String node) {
    awaitNoGuard(scene, node);
    assertWaits(scene, drain);

    scene.release("rebuild");
    Condition allowed = scene.awaitReason("DisruptionAllowed", "MaxUnavailableReached");
    report(scene);
    assertThat(allowed.getMessage()).contains(node);
    assertThat(drain.isRunning()).isTrue();
  }

  /// Once the node is as it was: all is guarded again, enforced again, and released again.
  private static void awaitEnds(RealScene scene, Kubectl drain, String... guarded) {
    scene.awaitGuarded(guarded);
    scene.awaitEnforced("rebuild");
    assertWaits(scene, drain);
    scene.release("rebuild");
    assertThat(drain.await(RealScene.LONG).orFail().exit()).isZero();
  }

  private void awaitCondition(String node, String type, String status) {
    await("%s %s %s".formatted(node, type, status))
        .atMost(RealScene.LONG)
        .until(
            () ->
                lab.client().nodes().withName(node).get().getStatus().getConditions().stream()
                    .anyMatch(it -> it.getType().equals(type) && it.getStatus().equals(status)));
  }

  /// The guard of a node once its kubelet has ended it.
  private static Pod awaitEnded(RealScene scene, String node) {
    return await("the guard of " + node + " to end")
        .atMost(RealScene.LONG)
        .until(
            () ->
                scene.guardsOn(node).stream()
                    .filter(it -> it.getStatus().getPhase().matches("Failed|Succeeded"))
                    .findFirst()
                    .orElse(null),
            Objects::nonNull);
  }

  private void report(RealScene scene) {
    System.out.printf(
        "Guarded: %s%n   DisruptionAllowed: %s%n%s%n%s",
        scene.condition("Guarded").map(Condition::getMessage).orElse(""),
        scene.condition("DisruptionAllowed").map(Condition::getMessage).orElse(""),
        lab.kubectl("get", "holds,pods", "-n", scene.name(), "-o", "wide").out(),
        lab.kubectl("get", "pods", "-n", "chaperone", "-o", "wide").out());
  }
}
