package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.NodeLabExtension;
import dev.chaperone.lab.nodes.NodeLab;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.start.ColdStarts;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// What real nodes do to pods, to Chaperone's own among them, and what comes of it.
@ExtendWith(NodeLabExtension.class)
class NodesSituationsIT {
  private static final String FUNCTIONS = "functions";
  private static final String CHAPERONE = "chaperone";
  private static final Duration SECONDS = Duration.ofSeconds(30);

  private final NodeLab nodes;
  private final Lab lab;

  NodesSituationsIT(NodeLab nodes) {
    this.nodes = nodes;
    this.lab = nodes.lab();
  }

  @Test
  void the_functions_map_their_AOT_cache_and_BoringSSL_in_a_root_that_they_cannot_write() {
    try (RealScene scene = new RealScene(nodes, "built").withCompanion("node-1")) {
      scene.awaitGuarded("node-1");
      Pod pod = scene.wake();

      String maps = RealScene.read(RealScene.jvm(pod), "maps");
      assertThat(maps).contains("/deployments/app.aot").contains("netty_tcnative");
      assertThat(
              lab.kubectl("logs", pod.getMetadata().getName(), "-n", CHAPERONE, "-c", FUNCTIONS)
                  .out())
          .doesNotContain("AOT")
          .doesNotContain("BoringSSL");
    }
  }

  @Test
  void network_policies_let_only_Knative_reach_the_functions() {
    try (RealScene scene = new RealScene(nodes, "policies").withCompanion("node-1")) {
      nodes.addClient(scene.name(), "stranger", "{}");
      nodes.addClient("knative-serving", "knative", "{}");
      scene.awaitGuarded("node-1");
      String address = scene.wake().getStatus().getPodIP();
      String events = "http://%s:8012/".formatted(address);
      String functions = "http://%s:8080/q/health/live".formatted(address);

      assertThat(nodes.ask(scene.name(), "stranger", "get", events).exit()).isNotZero();
      assertThat(nodes.ask(scene.name(), "stranger", "get", functions).exit()).isNotZero();
      assertThat(nodes.ask("knative-serving", "knative", "get", functions).exit()).isNotZero();
      // Any answer will do: it is no event.
      assertThat(nodes.ask("knative-serving", "knative", "get", events).exit()).isZero();
      assertThat(pulse(scene.name(), "stranger").out()).as("by the usual way").startsWith("204 ");
    } finally {
      lab.kubectl("delete", "pod", "knative", "-n", "knative-serving");
    }
  }

  @Test
  void an_event_is_answered_with_503_and_when_to_try_again_while_the_API_server_is_away() {
    try (RealScene scene = new RealScene(nodes, "away").withCompanion("node-1")) {
      nodes.addClient(scene.name(), "sender", "{}");
      scene.awaitGuarded("node-1");
      assertThat(pulse(scene.name(), "sender").out()).startsWith("204 ");

      String answer = pulseWhileTheApiServerIsFrozen(scene);

      assertThat(answer).startsWith("503 ").contains("retry-after=");
    }
  }

  @Test
  void a_guard_whose_image_cannot_be_pulled_is_named_and_its_Hold_does_not_claim_to_hold() {
    nodes.node("node-1").removeImage(NodeLab.PAUSE_IMAGE);
    try (RealScene scene = new RealScene(nodes, "no-image").withCompanion("node-1", "node-2")) {
      scene.awaitPods("target", "node-1", "node-2");
      scene.hold("rebuild");
      Instant made = Instant.now();

      Condition enforced = scene.awaitHold("rebuild", "Enforced", "False");
      await("a word on why")
          .atMost(SECONDS)
          .until(
              () ->
                  scene
                      .condition("Guarded")
                      .map(Condition::getMessage)
                      .orElse("")
                      .contains("node-1"));
      System.out.printf(
          "named after %d s: %s%n   Hold: %s%n",
          Duration.between(made, Instant.now()).toSeconds(),
          scene.condition("Guarded").map(Condition::getMessage).orElse(""),
          enforced.getMessage());
      assertThat(scene.awaitHold("rebuild", "Enforced", "False").getMessage()).contains("node-1");
    } finally {
      nodes.node("node-1").restorePauseImage();
    }
  }

  @Test
  void the_node_on_which_the_functions_run_can_be_drained() {
    try (RealScene scene =
        new RealScene(nodes, "own-node").withCompanion("node-1", "node-2", "node-3")) {
      scene.awaitGuarded("node-1", "node-2", "node-3");
      scene.hold("rebuild");
      scene.awaitEnforced("rebuild");
      String own = scene.wake().getSpec().getNodeName();

      Kubectl drain = scene.drain(own);
      Scene.awaitHeld(drain);
      await("the functions to leave " + own)
          .atMost(RealScene.LONG)
          .until(
              () ->
                  ColdStarts.pods(lab).stream()
                      .noneMatch(it -> own.equals(it.getSpec().getNodeName())));
      assertThat(drain.isRunning()).isTrue();

      scene.release("rebuild");
      assertThat(drain.await(RealScene.LONG).orFail().exit()).isZero();
    }
  }

  @Test
  void a_node_that_dies_while_a_drain_waits_does_not_let_it_through() {
    try (RealScene scene =
        new RealScene(nodes, "dies").withCompanion("node-1", "node-2", "node-3")) {
      scene.awaitGuarded("node-1", "node-2", "node-3");
      scene.hold("rebuild");
      scene.awaitEnforced("rebuild");
      Kubectl drain = scene.drain("node-1");
      Scene.awaitHeld(drain);

      nodes.node("node-2").kubelet().kill();
      try {
        await("node-2 not Ready").atMost(RealScene.LONG).until(() -> !nodes.isReady("node-2"));
        scene.wake();
        // Its pods are called Running until somebody deletes them, and the API server goes on to
        // ask the budget for them.
        scene.awaitEnforced("rebuild");
        assertThat(drain.isRunning()).isTrue();
        assertThat(scene.closed()).isTrue();
      } finally {
        nodes.node("node-2").kubelet().start();
        nodes.awaitReady("node-2");
      }
      scene.release("rebuild");
      assertThat(drain.await(RealScene.LONG).orFail().exit()).isZero();
    }
  }

  @Test
  void of_two_drains_at_a_time_one_waits_until_the_other_node_is_back() {
    try (RealScene scene =
        new RealScene(nodes, "two-drains").withCompanion("node-1", "node-2", "node-3")) {
      scene.awaitGuarded("node-1", "node-2", "node-3");
      scene.awaitCondition("DisruptionAllowed", "True");

      Kubectl one = scene.drain("node-1");
      Kubectl other = scene.drain("node-2");
      await("the first to end")
          .atMost(RealScene.LONG)
          .until(() -> !one.isRunning() || !other.isRunning());
      Kubectl waits = one.isRunning() ? one : other;
      String drained = one.isRunning() ? "node-2" : "node-1";
      Scene.awaitHeld(waits);

      lab.kubectl("uncordon", drained).orFail();
      assertThat(waits.await(RealScene.LONG).orFail().exit()).isZero();
    }
  }

  @Test
  void a_node_that_is_deleted_and_joins_again_under_its_name_is_guarded_again() {
    try (RealScene scene = new RealScene(nodes, "again").withCompanion("node-1", "node-3")) {
      scene.awaitGuarded("node-1", "node-3");

      nodes.node("node-3").end();
      lab.kubectl("delete", "node", "node-3").orFail();
      scene.awaitGuarded("node-1");
      nodes.join("node-3");
      lab.kubectl("label", "node", "node-3", "pool=" + scene.name(), "--overwrite").orFail();

      scene.awaitGuarded("node-1", "node-3");
      scene.hold("rebuild");
      scene.awaitEnforced("rebuild");
    }
  }

  @Test
  void a_node_stays_guarded_for_as_long_as_its_target_pod_takes_to_end() {
    try (RealScene scene =
        new RealScene(nodes, "slow").withCompanion(Duration.ofSeconds(40), "node-1", "node-2")) {
      scene.awaitGuarded("node-1", "node-2");
      scene.hold("rebuild");
      scene.awaitEnforced("rebuild");
      Kubectl drain = scene.drain("node-1");
      Scene.awaitHeld(drain);
      Pod ending = scene.targetOn("node-1");

      lab.kubectl("label", "node", "node-1", "pool-").orFail();
      await("the target pod to be told to end")
          .atMost(SECONDS)
          .until(
              () ->
                  scene
                      .seen(ending)
                      .map(it -> it.getMetadata().getDeletionTimestamp())
                      .isPresent());
      scene.wake();
      int looks = 0;
      boolean guarded = true;
      boolean waits = true;
      while (scene.seen(ending).isPresent()) {
        assertThat(guarded).as("guarded while the target pod ends").isTrue();
        assertThat(waits).as("the drain waits while the target pod ends").isTrue();
        looks++;
        guarded = scene.guardsOn("node-1").stream().anyMatch(Scene::isReady);
        waits = drain.isRunning();
      }
      assertThat(looks).isPositive();

      assertThat(drain.await(RealScene.LONG).orFail().exit()).isZero();
      scene.awaitGuarded("node-2");
      scene.awaitEnforced("rebuild");
      assertThat(scene.closed()).isTrue();
    }
  }

  @Test
  void static_pods_are_neither_guarded_nor_in_the_way_of_a_drain() throws IOException {
    try (RealScene scene = new RealScene(nodes, "static").withCompanion("node-1", "node-2")) {
      scene.awaitGuarded("node-1", "node-2");
      for (String node : List.of("node-1", "node-3")) {
        Files.writeString(manifest(node), staticPod(scene.name()));
      }
      scene.awaitPods("static", "node-1", "node-3");
      List<Pod> before = scene.pods("static");
      scene.hold("rebuild");
      scene.awaitEnforced("rebuild");
      scene.awaitGuarded("node-1", "node-2");

      assertThat(scene.drain("node-3").await(RealScene.LONG).orFail().exit()).isZero();
      Kubectl drain = scene.drain("node-1");
      Scene.awaitHeld(drain);
      scene.release("rebuild");
      assertThat(drain.await(RealScene.LONG).orFail().exit()).isZero();
      assertThat(before).hasSize(2).allSatisfy(it -> assertThat(scene.seen(it)).isPresent());
    } finally {
      for (String node : List.of("node-1", "node-3")) {
        Files.deleteIfExists(manifest(node));
      }
    }
  }

  private Path manifest(String node) {
    return nodes.node(node).staticPods().resolve("static.yaml");
  }

  private static String staticPod(String namespace) {
    return """
        apiVersion: v1
        kind: Pod
        metadata: {name: static, namespace: %s, labels: {app: static}}
        spec:
          terminationGracePeriodSeconds: 1
          containers: [{name: main, image: "%s"}]
        """
        .formatted(namespace, NodeLab.POD_IMAGE);
  }

  @Test
  void a_new_revision_of_the_functions_opens_nothing_while_a_Hold_is_active() throws Exception {
    try (RealScene scene = new RealScene(nodes, "rollout").withCompanion("node-1", "node-2")) {
      scene.awaitGuarded("node-1", "node-2");
      scene.hold("rebuild");
      scene.awaitEnforced("rebuild");
      Kubectl drain = scene.drain("node-1");
      Scene.awaitHeld(drain);
      AtomicInteger opened = new AtomicInteger();
      Thread watching =
          Thread.ofVirtual()
              .start(
                  () -> {
                    while (!Thread.interrupted()) {
                      opened.addAndGet(scene.closed() ? 0 : 1);
                    }
                  });

      String before = latestReadyRevision();
      roll("chaperone.dev/rolled", "\"%d\"".formatted(System.nanoTime()));
      await("another revision")
          .atMost(RealScene.LONG)
          .until(() -> !latestReadyRevision().equals(before));
      scene.wake();

      watching.interrupt();
      watching.join();
      assertThat(opened).hasValue(0);
      assertThat(drain.isRunning()).isTrue();
      scene.release("rebuild");
      assertThat(drain.await(RealScene.LONG).orFail().exit()).isZero();
    }
  }

  private Kubectl.Result pulse(String namespace, String client) {
    return nodes.ask(
        namespace,
        client,
        "post",
        "http://functions.chaperone.svc.cluster.local/",
        "dev.knative.sources.ping",
        "/by-hand");
  }

  /// kubectl exec needs the API server too, so the event is on its way before that is frozen: a
  /// connection that is established goes on by itself.
  private String pulseWhileTheApiServerIsFrozen(RealScene scene) {
    try (Kubectl exec =
        lab.startKubectl(
            "exec",
            "-n",
            scene.name(),
            "sender",
            "--",
            "/app/pod",
            "post-later",
            "http://functions.chaperone.svc.cluster.local/",
            "dev.knative.sources.ping",
            "/by-hand")) {
      await("the sender").atMost(SECONDS).until(() -> exec.out().contains("waiting"));
      lab.kubectl("get", "--raw", "/healthz").orFail();
      nodes.freezeApiServer();
      try {
        Thread.sleep(Duration.ofSeconds(25));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      } finally {
        nodes.resumeApiServer();
      }
      return exec.await(RealScene.LONG).out().replace("waiting\n", "");
    }
  }

  private void roll(String annotation, String value) {
    lab.kubectl(
            "patch",
            "ksvc",
            FUNCTIONS,
            "-n",
            CHAPERONE,
            "--type=merge",
            "-p",
            "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"%s\":%s}}}}}"
                .formatted(annotation, value))
        .orFail();
  }

  private String latestReadyRevision() {
    return lab.kubectl(
            "get",
            "ksvc",
            FUNCTIONS,
            "-n",
            CHAPERONE,
            "-o",
            "jsonpath={.status.latestReadyRevisionName}")
        .orFail()
        .out();
  }
}
