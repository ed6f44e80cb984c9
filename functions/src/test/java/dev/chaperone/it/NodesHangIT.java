package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.install.NodeLabExtension;
import dev.chaperone.lab.nodes.NodeLab;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Pod;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// The functions' process hangs: their probes see it, and nothing opens meanwhile.
@ExtendWith(NodeLabExtension.class)
class NodesHangIT {
  private final NodeLab nodes;

  NodesHangIT(NodeLab nodes) {
    this.nodes = nodes;
  }

  @Test
  void functions_that_hang_are_not_Ready_and_answer_what_has_waited_once_they_go_on() {
    try (RealScene scene = new RealScene(nodes, "pause").withCompanion("node-1", "node-2")) {
      Kubectl drain = scene.heldDrainOfNode1("node-1", "node-2");
      Pod functions = scene.wake();
      long jvm = RealScene.jvm(functions);

      RealScene.signal("STOP", jvm);
      try {
        scene.release("rebuild");
        await("not Ready")
            .atMost(RealScene.LONG)
            .until(() -> !scene.seen(functions).map(Scene::isReady).orElse(false));
        assertThat(restarts(scene, functions)).isZero();
        assertThat(scene.closed()).isTrue();
        assertThat(drain.isRunning()).isTrue();
      } finally {
        RealScene.signal("CONT", jvm);
      }

      assertThat(drain.await(RealScene.LONG).orFail().exit()).isZero();
    }
  }

  @Test
  void functions_that_hang_for_good_are_started_again_and_nothing_opens_before() {
    try (RealScene scene = new RealScene(nodes, "hang").withCompanion("node-1", "node-2")) {
      Kubectl drain = scene.heldDrainOfNode1("node-1", "node-2");
      Pod functions = scene.wake();

      RealScene.signal("STOP", RealScene.jvm(functions));
      scene.release("rebuild");
      boolean closed = true;
      while (restarts(scene, functions) == 0) {
        assertThat(closed).as("closed while nobody decides").isTrue();
        closed = scene.closed();
      }

      assertThat(drain.await(RealScene.LONG).orFail().exit()).isZero();
    }
  }

  private static int restarts(RealScene scene, Pod functions) {
    return scene
        .seen(functions)
        .orElseThrow(() -> new AssertionError("Knative ended the pod"))
        .getStatus()
        .getContainerStatuses()
        .stream()
        .filter(it -> it.getName().equals("functions"))
        .findFirst()
        .orElseThrow()
        .getRestartCount();
  }
}
