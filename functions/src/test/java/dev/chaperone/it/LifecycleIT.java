package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Companion;
import dev.chaperone.api.Hold;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What comes and goes with a Companion, its target and its Holds.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class LifecycleIT {
  private Installation chaperone;

  @Test
  void what_was_made_goes_with_the_companion_and_nothing_else_does() {
    try (Scene scene = new Scene(chaperone, "goes", 2).withCompanion("{}")) {
      scene.pulseUntilGuarded();

      kubectl("delete", "companion", "agent", "-n", scene.name);

      await()
          .atMost(Scene.LONG)
          .until(
              () ->
                  scene.guards().isEmpty()
                      && kubectl("get", "poddisruptionbudgets,deployments", "-n", scene.name)
                          .out()
                          .isBlank());
      assertThat(chaperone.changed("Companion", scene.name, "agent").statusCode()).isEqualTo(204);
      assertThat(podSpec(scene).getNodeSelector()).containsEntry("pool", scene.name);
      assertThat(scene.runningPods("follower")).hasSize(2);
    }
  }

  @Test
  void guards_and_budgets_go_when_the_target_has_been_missing_for_a_while() {
    try (Scene scene = new Scene(chaperone, "target-goes", 2).withCompanion("{}")) {
      scene.pulseUntilGuarded();

      kubectl("delete", "daemonset", "target", "-n", scene.name);
      chaperone.changed("DaemonSet", scene.name, "target");

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False TargetNotFound");
      assertThat(BudgetHistory.isClosed(scene.budget("agent-nodes").getSpec())).isTrue();
      assertThat(scene.guards()).hasSize(2);

      missingSince(scene, Instant.now().minus(Duration.ofMinutes(6)));
      chaperone.pulse();

      assertThat(scene.condition("Guarded")).isEqualTo("False TargetNotFound");
      assertThat(scene.budget("agent-nodes")).isNull();
      assertThat(scene.budget("agent-pods")).isNull();
      await().atMost(Scene.LONG).until(() -> scene.guards().isEmpty());

      scene.daemonSet("target", "{pool: %s}".formatted(scene.name));
      scene.pulseUntilGuarded();
      assertThat(scene.budget("agent-nodes")).isNotNull();
    }
  }

  private void missingSince(Scene scene, Instant time) {
    client()
        .resources(Companion.class)
        .inNamespace(scene.name)
        .withName("agent")
        .subresource("status")
        .patch(
            PatchContext.of(PatchType.JSON),
            "[{\"op\": \"replace\", \"path\": \"/status/reasons/0/since\", \"value\": \"%s\"}]"
                .formatted(time));
  }

  /// `kubectl apply` on the client's side, `kubectl edit` and old Helm write as "Update", which
  /// server-side apply by itself can neither see nor take out.
  @Test
  void placement_that_somebody_once_wrote_is_replaced(@TempDir Path folder) throws Exception {
    try (Scene scene = new Scene(chaperone, "leftover", 1)) {
      Path manifest =
          Files.writeString(
              folder.resolve("follower.yaml"),
              """
              apiVersion: apps/v1
              kind: DaemonSet
              metadata: {name: follower, namespace: leftover}
              spec:
                selector: {matchLabels: {app: follower}}
                template:
                  metadata: {labels: {app: follower}}
                  spec:
                    nodeSelector: {disks: slow}
                    affinity:
                      nodeAffinity:
                        requiredDuringSchedulingIgnoredDuringExecution:
                          nodeSelectorTerms:
                          - matchExpressions: [{key: zone, operator: Exists}]
                    tolerations: [{operator: Exists}]
                    containers: [{name: main, image: none}]
              """);
      kubectl("apply", "-f", manifest.toString());
      scene.daemonSet("target", "{}");
      scene.companion("{}");

      chaperone.changed("DaemonSet", scene.name, "follower");

      assertThat(scene.condition("Placed")).isEqualTo("True FollowsTarget");
      PodSpec follower = podSpec(scene);
      assertThat(follower.getNodeSelector()).isNullOrEmpty();
      assertThat(follower.getTolerations()).isEmpty();
      assertThat(
              follower
                  .getAffinity()
                  .getNodeAffinity()
                  .getRequiredDuringSchedulingIgnoredDuringExecution())
          .isNull();
      assertThat(follower.getContainers()).hasSize(1);
    }
  }

  @Test
  void a_hold_ends_by_itself_at_the_next_pulse() {
    try (Scene scene = new Scene(chaperone, "expires", 1).withCompanion("{}")) {
      scene.pulseUntilGuarded();
      Instant end = Instant.now().plusSeconds(4).truncatedTo(ChronoUnit.SECONDS);
      scene.hold("rebuild", end);
      chaperone.changed("Hold", scene.name, "rebuild");
      scene.awaitAllowed("agent-nodes", 0);
      assertThat(scene.companion().getStatus().conditions().toString()).contains("until " + end);

      await().pollDelay(Duration.between(Instant.now(), end)).until(() -> true);
      chaperone.pulse();

      scene.awaitAllowed("agent-nodes", 1);
      Hold expired =
          client().resources(Hold.class).inNamespace(scene.name).withName("rebuild").get();
      assertThat(expired.getStatus().conditions())
          .extracting(it -> it.getType() + " " + it.getStatus() + " " + it.getReason())
          .containsExactly("Active False Expired", "Enforced False NotActive");
    }
  }

  /// The taint eviction controller deletes pods, and no budget stops it.
  @Test
  void a_no_execute_taint_that_the_target_lives_with_takes_no_guard_away() {
    try (Scene scene = new Scene(chaperone, "no-execute", 2).withCompanion("{}")) {
      kubectl(
          "patch",
          "daemonset",
          "target",
          "-n",
          scene.name,
          "--type=merge",
          "-p",
          "{\"spec\":{\"template\":{\"spec\":{\"tolerations\":[{\"operator\":\"Exists\"}]}}}}");
      scene.pulseUntilGuarded();
      scene.hold("rebuild");
      chaperone.changed("Hold", scene.name, "rebuild");

      kubectl("taint", "node", scene.node(1), "burning=:NoExecute");
      await("a pod that does not live with it")
          .atMost(Scene.LONG)
          .during(Duration.ofSeconds(3))
          .until(() -> scene.guardedNodes().size() == 2);

      try (Kubectl drain = scene.drain(1)) {
        Scene.awaitHeld(drain);
      }
    }
  }

  @Test
  void kubectl_shows_what_matters_in_one_line() {
    try (Scene scene = new Scene(chaperone, "shows", 1).withCompanion("{}")) {
      scene.pulseUntilGuarded();
      scene.hold("rebuild");
      chaperone.changed("Hold", scene.name, "rebuild");

      assertThat(kubectl("get", "companions", "-n", scene.name).out().lines())
          .satisfiesExactly(
              header ->
                  assertThat(header)
                      .containsSubsequence(
                          "NAME", "TARGET", "READY", "ALLOWED", "REASON", "GUARDS", "NODES", "AGE"),
              row ->
                  assertThat(row)
                      .containsSubsequence("agent", "target", "True", "False", "Hold", "1", "1"));
      assertThat(kubectl("get", "holds", "-n", scene.name).out())
          .containsSubsequence("rebuild", "agent", "True", "True", "a test");
      assertThat(kubectl("describe", "companion", "agent", "-n", scene.name).out())
          .contains("Hold rebuild: a test (since ")
          .contains("DisruptionBlocked");
    }
  }

  private PodSpec podSpec(Scene scene) {
    return scene.daemonSet("follower").getSpec().getTemplate().getSpec();
  }

  private Kubectl.Result kubectl(String... arguments) {
    return chaperone.lab().kubectl(arguments).orFail();
  }

  private KubernetesClient client() {
    return chaperone.lab().client();
  }
}
