package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.decide.CompanionReady;
import dev.chaperone.lab.controlplane.ApiCall;
import dev.chaperone.lab.knative.ApiServerSource;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.TestProfile;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// With the overlay `node-conditions` and `spec.nodeCondition`: nodes say whether the follower is
/// ready there.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
@TestProfile(NodeConditionIT.Marking.class)
class CompanionReadyIT {
  private static final Path OVERLAY =
      Path.of(System.getProperty("chaperone.home"), "knative/overlays/node-conditions");

  private Installation chaperone;

  @BeforeEach
  void install() {
    for (String file : new String[] {"rbac.yaml", "policy.yaml"}) {
      chaperone.lab().kubectl("apply", "-f", OVERLAY.resolve(file).toString()).orFail();
    }
  }

  @Test
  void a_node_is_ready_while_its_companion_is() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = new Scene(chaperone, "ready", 2)) {
      scene.daemonSet("target", "{pool: ready}");
      scene.daemonSet("follower", "{}");
      companion(scene, "agent", "follower");
      awaitReady(scene, 1);
      awaitReady(scene, 2);

      Pod pod = pod(scene, "follower", 1);
      report(pod, "False");
      await("not ready")
          .atMost(Scene.LONG)
          .untilAsserted(
              () ->
                  assertThat(says(scene, 1))
                      .isEqualTo(
                          "False FollowersNotReady Companion ready/agent: pod %s is not ready"
                              .formatted(pod.getMetadata().getName())));
      assertThat(says(scene, 2)).startsWith("True");
      report(pod, "True");
      awaitReady(scene, 1);

      scene.addNode(3);
      awaitReady(scene, 3);
    }
  }

  @Test
  void a_node_waits_for_every_companion_and_forgets_those_that_no_longer_ask() {
    try (Scene scene = new Scene(chaperone, "both", 2)) {
      scene.daemonSet("target", "{pool: both}");
      scene.daemonSet("follower", "{}");
      scene.daemonSet("second", "{}");
      companion(scene, "agent", "follower");
      companion(scene, "other", "second");
      pulseUntil(() -> says(scene, 1).startsWith("True") && says(scene, 2).startsWith("True"));
      assertThat(says(scene, 1)).contains("Companions both/agent, both/other");

      report(pod(scene, "second", 1), "False");
      chaperone.changed("DaemonSet", scene.name, "second");
      assertThat(says(scene, 1)).startsWith("False FollowersNotReady Companion both/other: pod ");
      assertThat(says(scene, 2)).startsWith("True");

      chaperone.lab().kubectl("delete", "companion", "other", "-n", scene.name).orFail();
      chaperone.pulse();
      assertThat(says(scene, 1)).endsWith("the followers of Companions both/agent");
      scene.patchCompanion("{\"spec\": {\"nodeCondition\": null}}");
      chaperone.pulse();
      assertThat(says(scene, 1)).isEmpty();
    }
  }

  @Test
  void a_resync_closes_budgets_before_it_writes_on_nodes() {
    try (Scene scene = new Scene(chaperone, "order", 1)) {
      scene.daemonSet("target", "{pool: order}");
      scene.daemonSet("follower", "{}");
      companion(scene, "agent", "follower");
      pulseUntil(
          () -> says(scene, 1).startsWith("True") && scene.condition("Guarded").startsWith("True"));
      scene.hold("rebuild");
      report(pod(scene, "follower", 1), "False");
      chaperone.settledCalls();
      int before = chaperone.writes().size();

      chaperone.pulse();
      chaperone.settledCalls();

      assertThat(
              chaperone.writes().stream()
                  .skip(before)
                  .map(ApiCall::resource)
                  .filter(Set.of("poddisruptionbudgets", "nodes")::contains)
                  .distinct())
          .containsExactly("poddisruptionbudgets", "nodes");
    }
  }

  /// As where its kubelet, or some controller, writes on a node all the time.
  @Test
  void a_node_that_others_write_on_keeps_no_other_waiting() throws InterruptedException {
    try (Scene scene = new Scene(chaperone, "busy", 2)) {
      scene.daemonSet("target", "{pool: busy}");
      scene.daemonSet("follower", "{}");
      companion(scene, "agent", "follower");
      pulseUntil(() -> says(scene, 1).startsWith("True") && says(scene, 2).startsWith("True"));
      report(pod(scene, "follower", 1), "False");
      report(pod(scene, "follower", 2), "False");
      AtomicInteger written = new AtomicInteger();
      Thread others = Thread.ofPlatform().start(() -> writeAllTheTime(scene.node(1), written));
      try {
        await("writes").atMost(Scene.LONG).until(() -> written.get() > 10);

        chaperone.pulse();

        assertThat(says(scene, 2)).startsWith("False");
      } finally {
        others.interrupt();
        others.join();
      }
      chaperone.pulse();
      assertThat(says(scene, 1)).startsWith("False");
    }
  }

  private void writeAllTheTime(String node, AtomicInteger written) {
    while (!Thread.currentThread().isInterrupted()) {
      try {
        chaperone
            .lab()
            .client()
            .nodes()
            .withName(node)
            .patch(
                PatchContext.of(PatchType.JSON_MERGE),
                "{\"metadata\": {\"annotations\": {\"busy\": \"%d\"}}}"
                    .formatted(written.incrementAndGet()));
      } catch (KubernetesClientException e) {
        // The call that the end of the test interrupts.
        return;
      }
    }
  }

  @Test
  void without_the_field_nodes_say_nothing() {
    try (Scene scene = new Scene(chaperone, "unasked", 2).withCompanion("{}")) {
      scene.awaitPods("target", 2);
      scene.pulseUntilGuarded();
      Map<String, String> before = others(scene);

      chaperone.changed("DaemonSet", scene.name, "follower");
      chaperone.pulse();

      assertThat(says(scene, 1) + says(scene, 2)).isEmpty();
      assertThat(others(scene)).isEqualTo(before);
    }
  }

  /// The types of conditions that each node has.
  private Map<String, String> others(Scene scene) {
    return chaperone.lab().client().nodes().withLabel("pool", scene.name).list().getItems().stream()
        .collect(
            Collectors.toMap(
                it -> it.getMetadata().getName(),
                it ->
                    it.getStatus().getConditions().stream()
                        .map(NodeCondition::getType)
                        .sorted()
                        .collect(Collectors.joining(","))));
  }

  private static void companion(Scene scene, String name, String follower) {
    scene.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: %s, namespace: %s}
        spec:
          targetRef: {name: target}
          followerRef: {name: %s}
          nodeCondition: CompanionReady
        """
            .formatted(name, scene.name, follower));
  }

  private void pulseUntil(BooleanSupplier isSo) {
    await("what pulses do")
        .atMost(Scene.LONG)
        .until(
            () -> {
              chaperone.pulse();
              return isSo.getAsBoolean();
            });
  }

  private void awaitReady(Scene scene, int number) {
    await("ready on node " + number)
        .atMost(Scene.LONG)
        .untilAsserted(
            () ->
                assertThat(says(scene, number))
                    .isEqualTo(
                        "True FollowersReady Ready here: the followers of Companions %s/agent"
                            .formatted(scene.name)));
  }

  private String says(Scene scene, int number) {
    Node node = chaperone.lab().client().nodes().withName(scene.node(number)).require();
    return CompanionReady.of(node)
        .map(it -> it.getStatus() + " " + it.getReason() + " " + it.getMessage())
        .orElse("");
  }

  private Pod pod(Scene scene, String daemonSet, int number) {
    Optional<Pod> there =
        chaperone
            .lab()
            .client()
            .pods()
            .inNamespace(scene.name)
            .withLabel("app", daemonSet)
            .withField("spec.nodeName", scene.node(number))
            .list()
            .getItems()
            .stream()
            .findFirst();
    return there.orElseThrow();
  }

  /// As the kubelet does.
  private void report(Pod pod, String ready) {
    chaperone
        .lab()
        .reportPod(
            pod.getMetadata().getNamespace(),
            pod.getMetadata().getName(),
            "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": \"%s\"}]}}"
                .formatted(ready));
  }
}
