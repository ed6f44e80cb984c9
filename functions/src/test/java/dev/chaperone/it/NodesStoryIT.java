package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.lab.install.NodeLabExtension;
import dev.chaperone.lab.nodes.NodeLab;
import dev.chaperone.lab.programs.Kubectl;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// The main job where it is meant to run: real nodes, real Knative Serving and Eventing, the
/// functions in their own image, everything installed from the files that users install.
@ExtendWith(NodeLabExtension.class)
class NodesStoryIT {
  private final NodeLab nodes;

  NodesStoryIT(NodeLab nodes) {
    this.nodes = nodes;
  }

  @Test
  void a_drain_waits_for_a_Hold_while_nothing_of_Chaperone_runs_and_ends_when_it_is_released() {
    try (RealScene scene = new RealScene(nodes, "story")) {
      scene.awaitAsleep();
      scene.withCompanion("node-1", "node-2");
      scene.awaitPods("follower", "node-1", "node-2");
      scene.awaitGuarded("node-1", "node-2");
      scene.awaitAsleep();

      scene.hold("rebuild");
      scene.awaitEnforced("rebuild");
      assertThat(scene.closed()).isTrue();

      Kubectl drain = scene.drain("node-1");
      Scene.awaitHeld(drain);
      scene.awaitAsleep();
      assertThat(drain.isRunning()).isTrue();

      scene.release("rebuild");
      assertThat(drain.await(RealScene.LONG).orFail().exit()).isZero();
      scene.awaitGuarded("node-2");

      nodes.lab().kubectl("uncordon", "node-1").orFail();
      scene.awaitGuarded("node-1", "node-2");
      scene.awaitAsleep();
    }
  }
}
