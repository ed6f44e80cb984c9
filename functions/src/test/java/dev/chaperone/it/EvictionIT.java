package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.lab.PodEviction;
import dev.chaperone.lab.knative.ApiServerSource;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Evictions of the follower's pods by the Eviction API, as autoscalers and deschedulers ask for
/// them.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class EvictionIT {
  private static final int TOO_MANY_REQUESTS = 429;

  private Installation chaperone;

  @Test
  void closed_refuses_every_eviction_also_while_pods_are_being_added() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = new Scene(chaperone, "evict-closed", 2).withCompanion("{}")) {
      scene.awaitRolledOut("follower");
      // Open, so that it is the Hold that closes it, and not a pod that is not counted yet.
      scene.awaitAllowed("agent-pods", 1);
      scene.hold("rebuild");
      scene.awaitAllowed("agent-pods", 0);

      List<Integer> answers = new ArrayList<>();
      for (int node = 3; node <= 8; node++) {
        scene.addNode(node);
        for (String pod : scene.runningPods("follower")) {
          answers.add(evict(scene, pod));
        }
      }
      scene.awaitPods("follower", 8);
      for (String pod : scene.runningPods("follower")) {
        answers.add(evict(scene, pod));
      }

      assertThat(answers).hasSizeGreaterThan(8).containsOnly(TOO_MANY_REQUESTS);
    }
  }

  @Test
  void open_lets_at_most_max_unavailable_go() {
    try (Scene scene = new Scene(chaperone, "evict-open", 5)) {
      // Without events while pods go: a pod that is evicted where it should not be any more counts
      // no longer, and another one may go.
      try (ApiServerSource _ = chaperone.startSources()) {
        scene.withCompanion("{maxUnavailable: 2}");
        scene.awaitRolledOut("follower");
        scene.awaitAllowed("agent-pods", 2);
      }
      // So that the pods that are evicted do not run again while the others are asked for.
      scene.taint("follower", 1, 2, 3, 4, 5);

      List<Integer> answers =
          scene.runningPods("follower").stream().map(pod -> evict(scene, pod)).toList();

      assertThat(answers).filteredOn(code -> code == PodEviction.PASSED).hasSize(2);
      assertThat(answers).filteredOn(code -> code == TOO_MANY_REQUESTS).hasSize(3);
    }
  }

  private int evict(Scene scene, String pod) {
    return PodEviction.evict(chaperone.lab().client(), scene.name, pod);
  }
}
