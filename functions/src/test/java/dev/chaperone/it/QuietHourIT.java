package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import dev.chaperone.lab.knative.FunctionsOnDemand.Run;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// How much the functions run while nothing happens that is theirs. Twenty minutes of 50 nodes in
/// one, or with `-Dchaperone.thorough=true` an hour in three minutes: this test sends the
/// heartbeats of the kubelets, one for each node every five minutes of that time, has a workload
/// that is not Chaperone's, with a budget of its own, grow or shrink each minute, and sends the
/// pulses, one every ten. The functions' own time is not shortened: what they take to start, to
/// answer and to be found idle is real.
@ExtendWith(OnKnative.class)
class QuietHourIT {
  private static final int NODES = 50;
  private static final int QUIET_MINUTES = Thorough.times(20, 60);

  /// What a minute of that time takes.
  private static final Duration MINUTE = Duration.ofSeconds(3);

  private static final Duration NOTHING_HAPPENS = Duration.ofSeconds(10);

  private static final int PULSE_MINUTES = 10;
  private static final int HEARTBEAT_MINUTES = 5;

  private final OnKnative.Chaperone installed;
  private final Installation chaperone;
  private final Lab lab;

  QuietHourIT(OnKnative.Chaperone installed) {
    this.installed = installed;
    this.chaperone = installed.installation();
    this.lab = chaperone.lab();
  }

  @Test
  void only_pulses_wake_the_functions() {
    FunctionsOnDemand functions = installed.functions();
    try (Scene scene = new Scene(chaperone, "quiet", NODES).withCompanion("{}")) {
      await("guards on all nodes")
          .atMost(Scene.LONG)
          .until(
              () ->
                  scene.guardedNodes().size() == NODES
                      && scene.condition("Ready").equals("True Ready"));
      scene.awaitRolledOut("follower");
      makeShop(scene);
      awaitShop(scene, 1);
      installed.eventing().ping().stop();
      // Also of what other tests have left behind.
      await("functions that sleep")
          .atMost(Scene.LONG)
          .during(NOTHING_HAPPENS)
          .until(() -> !functions.isRunning());
      int runsBefore = functions.runs().size();
      int requestsBefore = functions.requests();

      int heartbeats = 0;
      int pulses = 0;
      Instant began = Instant.now();
      for (int minute = 0; minute < QUIET_MINUTES; minute++) {
        if (minute % PULSE_MINUTES == 0) {
          installed.pulse();
          pulses++;
        }
        for (int node = 1 + minute % HEARTBEAT_MINUTES; node <= NODES; node += HEARTBEAT_MINUTES) {
          heartbeat(scene.node(node));
          heartbeats++;
        }
        // What Kubernetes counts for its budget changes with it.
        scale(scene, 1 + minute % 2);
        awaitShop(scene, 1 + minute % 2);
        Instant next = began.plus(MINUTE.multipliedBy(minute + 1L));
        await().atMost(Scene.LONG).until(() -> Instant.now().isAfter(next));
      }
      await("functions that sleep").atMost(Scene.LONG).until(() -> !functions.isRunning());

      List<Run> runs = functions.runs().subList(runsBefore, functions.runs().size());
      Duration ran = runs.stream().map(Run::length).reduce(Duration.ZERO, Duration::plus);
      System.out.printf(
          "quiet %d minutes: %d nodes, %d heartbeats, %d pulses: the functions were started %d times, answered"
              + " %d events and ran %.1f s, %.1f %% of the time%n",
          QUIET_MINUTES,
          NODES,
          heartbeats,
          pulses,
          runs.size(),
          functions.requests() - requestsBefore,
          ran.toMillis() / 1e3,
          ran.toMillis() * 100.0 / Duration.ofMinutes(QUIET_MINUTES).toMillis());
      assertThat(functions.requests() - requestsBefore).isEqualTo(pulses);
      assertThat(runs).hasSizeLessThanOrEqualTo(pulses);

      int requests = functions.requests();
      lab.kubectl("annotate", "pdb", "agent-nodes", "touched=yes", "-n", scene.name).orFail();
      await("an event of a budget of Chaperone's own")
          .atMost(Scene.LONG)
          .until(() -> functions.requests() > requests);
    } finally {
      installed.eventing().ping().start();
    }
  }

  private static void makeShop(Scene scene) {
    scene.apply(
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: shop, namespace: %1$s}
        spec:
          replicas: 1
          selector: {matchLabels: {app: shop}}
          template:
            metadata: {labels: {app: shop}}
            spec:
              containers: [{name: shop, image: registry.example/shop}]
              tolerations: [{operator: Exists}]
        ---
        apiVersion: policy/v1
        kind: PodDisruptionBudget
        metadata: {name: shop, namespace: %1$s}
        spec:
          maxUnavailable: 1
          selector: {matchLabels: {app: shop}}
        """
            .formatted(scene.name));
  }

  private void scale(Scene scene, int replicas) {
    lab.kubectl("scale", "deployment", "shop", "--replicas=" + replicas, "-n", scene.name).orFail();
  }

  private static void awaitShop(Scene scene, int healthy) {
    await("a budget of another workload that counts " + healthy)
        .atMost(Scene.LONG)
        .until(() -> scene.budget("shop").getStatus().getCurrentHealthy() == healthy);
  }

  /// As a kubelet reports that nothing has changed: the times of its conditions.
  private void heartbeat(String name) {
    lab.client()
        .nodes()
        .withName(name)
        .subresource("status")
        .patch(
            PatchContext.of(PatchType.STRATEGIC_MERGE),
            """
            {"status": {"conditions": [{"type": "Ready", "lastHeartbeatTime": "%s"}]}}
            """
                .formatted(Instant.now().truncatedTo(java.time.temporal.ChronoUnit.SECONDS)));
  }
}
