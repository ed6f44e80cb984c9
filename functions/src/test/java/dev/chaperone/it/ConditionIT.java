package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.knative.ApiServerSource;
import dev.chaperone.lab.programs.Kubectl;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Conditions on a kind that Chaperone has never heard of, with its own events to wake it.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class ConditionIT {
  private static final String HEALTH =
      "holdWhen: [{name: unhealthy, expression: \"pool.status.health != 'OK'\", message: the pool is"
          + " not healthy}]";
  private static final String OBSERVE =
      "observe: [{as: pool, apiVersion: example.com/v1, resource: storagepools, name: fast}]";

  private Installation chaperone;

  @BeforeEach
  void aKindOfItsOwn() {
    chaperone
        .lab()
        .apply(
            """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: storagepools.example.com}
        spec:
          group: example.com
          scope: Namespaced
          names: {kind: StoragePool, plural: storagepools, singular: storagepool, listKind: StoragePoolList}
          versions:
          - name: v1
            served: true
            storage: true
            schema:
              openAPIV3Schema:
                type: object
                properties:
                  status: {type: object, x-kubernetes-preserve-unknown-fields: true}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata:
          name: chaperone-observe-pools
          labels: {chaperone.dev/aggregate-to-observe: "true"}
        rules:
        - {apiGroups: [example.com], resources: [storagepools], verbs: [get]}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata: {name: watch-pools}
        rules:
        - {apiGroups: [example.com], resources: [storagepools], verbs: [get, list, watch]}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata: {name: watch-pools}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: watch-pools}
        subjects: [{kind: ServiceAccount, name: sources, namespace: chaperone}]
        """);
    await().until(() -> chaperone.lab().kubectl("get", "storagepools", "-A").exit() == 0);
    await("the aggregated rights")
        .until(
            () ->
                chaperone
                        .lab()
                        .kubectl(
                            "auth",
                            "can-i",
                            "get",
                            "storagepools.example.com",
                            "--as=system:serviceaccount:chaperone:functions")
                        .exit()
                    == 0);
  }

  /// The only events that reach the functions here are those of the observed kind.
  @Test
  void an_event_of_the_observed_object_holds_a_drain_and_lets_it_go(@TempDir Path folder)
      throws Exception {
    try (Scene scene =
        new Scene(chaperone, "observed", 2).withCompanion("{%s, %s}".formatted(OBSERVE, HEALTH))) {
      health(scene, "OK");
      await()
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.pulse();
                return scene.guardedNodes().size() == 2
                    && scene.condition("DisruptionAllowed").equals("True NothingHolds");
              });
      Path source =
          Files.writeString(
              folder.resolve("source.yaml"),
              """
              apiVersion: sources.knative.dev/v1
              kind: ApiServerSource
              metadata: {name: pools, namespace: chaperone}
              spec:
                serviceAccountName: sources
                namespaceSelector: {}
                resources: [{apiVersion: example.com/v1, kind: StoragePool}]
              """);
      try (ApiServerSource _ =
          ApiServerSource.start(chaperone.lab(), chaperone.functions(), source)) {
        health(scene, "DEGRADED");
        scene.awaitAllowed("agent-nodes", 0);
        Kubectl drain = scene.drain(1);
        Scene.awaitHeld(drain);
        assertThat(describe(scene))
            .contains(
                "unhealthy: the pool is not healthy [pool.status.health is DEGRADED] (since ");

        health(scene, "OK");
        assertThat(drain.await(Scene.LONG).exit()).isZero();
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"Hold, False ExpressionFailed", "Allow, True NothingHolds"})
  void a_missing_object_means_what_the_failure_policy_says(String policy, String expected) {
    try (Scene scene =
        new Scene(chaperone, "missing-" + policy.toLowerCase(java.util.Locale.ROOT), 0)
            .withCompanion("{%s, %s, failurePolicy: %s}".formatted(OBSERVE, HEALTH, policy))) {
      look(scene);

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo(expected);
      assertThat(scene.condition("Evaluated")).isEqualTo("False EvaluationFailed");
      assertThat(describe(scene))
          .contains("storagepools (example.com/v1)")
          .contains(scene.name + "/fast, observed as pool, does not exist");

      health(scene, "OK");
      chaperone.changed("StoragePool", scene.name, "fast");
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
      assertThat(scene.condition("Evaluated")).isEqualTo("True Evaluated");
    }
  }

  @Test
  void an_object_that_is_too_large_blocks_and_is_named() {
    try (Scene scene =
        new Scene(chaperone, "large", 0).withCompanion("{%s, %s}".formatted(OBSERVE, HEALTH))) {
      health(scene, "OK, log: " + "x".repeat(256 << 10));
      look(scene);

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False ExpressionFailed");
      assertThat(describe(scene))
          .contains(scene.name + "/fast, observed as pool: it is larger than 256 KiB");

      health(scene, "OK, log: " + "x".repeat(250 << 10));
      look(scene);
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
    }
  }

  @Test
  void an_expression_that_does_not_compile_says_where() {
    try (Scene scene =
        new Scene(chaperone, "typo", 0)
            .withCompanion(
                "{holdWhen: [{name: typo, expression: \"taget.status.numberReady < 3\"}]}")) {
      look(scene);

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False ExpressionFailed");
      assertThat(describe(scene))
          .contains("holdWhen typo: column 1: undeclared reference to 'taget'");
    }
  }

  @Test
  void a_kind_that_nobody_lets_it_read_says_what_to_do() {
    try (Scene scene =
        new Scene(chaperone, "forbidden", 0)
            .withCompanion(
                """
                {observe: [{as: secret, apiVersion: v1, resource: secrets, name: top}],
                 holdWhen: [{name: secret, expression: has(secret.data)}]}
                """)) {
      look(scene);

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False ExpressionFailed");
      assertThat(describe(scene))
          .contains("Chaperone may not read secrets (v1)")
          .contains("chaperone.dev/aggregate-to-observe");
    }
  }

  @Test
  void a_kind_that_the_cluster_does_not_know_is_named() {
    try (Scene scene =
        new Scene(chaperone, "unknown", 0)
            .withCompanion(
                """
                {observe: [{as: it, apiVersion: nowhere.example.com/v7, resource: nothings, name: a}],
                 holdWhen: [{name: it, expression: has(it.status)}]}
                """)) {
      // Before it says that it does not know a kind, the API server asks whether one may read it.
      scene.apply(
          """
          apiVersion: rbac.authorization.k8s.io/v1
          kind: ClusterRole
          metadata:
            name: observe-nothings
            labels: {chaperone.dev/aggregate-to-observe: "true"}
          rules:
          - {apiGroups: [nowhere.example.com], resources: [nothings], verbs: [get]}
          """);

      await()
          .atMost(Scene.LONG)
          .untilAsserted(
              () -> {
                look(scene);
                assertThat(describe(scene))
                    .contains("the cluster does not know nothings (nowhere.example.com/v7)");
              });
    }
  }

  @Test
  void what_has_gone_is_held_until_it_has_settled() {
    try (Scene scene =
        new Scene(chaperone, "settles", 0)
            .withCompanion("{%s, %s, settlePeriod: 3s}".formatted(OBSERVE, HEALTH))) {
      health(scene, "DEGRADED");
      look(scene);
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False ExpressionTrue");

      health(scene, "OK");
      chaperone.changed("StoragePool", scene.name, "fast");
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Settling");
      scene.awaitAllowed("agent-nodes", 0);

      await()
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.pulse();
                return scene.condition("DisruptionAllowed").equals("True NothingHolds");
              });
    }
  }

  @Test
  void after_its_deadline_it_opens_and_warns() {
    try (Scene scene =
        new Scene(chaperone, "deadline", 0)
            .withCompanion("{%s, %s, maxHoldDuration: 3s}".formatted(OBSERVE, HEALTH))) {
      health(scene, "DEGRADED");
      look(scene);
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False ExpressionTrue");

      await()
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.pulse();
                return scene.condition("DisruptionAllowed").equals("True MaxHoldDurationExceeded");
              });
      assertThat(
              chaperone
                  .lab()
                  .kubectl("get", "events", "-n", scene.name, "--field-selector=type=Warning")
                  .out())
          .contains("maxHoldDuration 3s exceeded");
    }
  }

  private void look(Scene scene) {
    scene.awaitCounted();
    assertThat(chaperone.changed("Companion", scene.name, "agent").statusCode()).isIn(200, 204);
  }

  private void health(Scene scene, String health) {
    scene.apply(
        """
        apiVersion: example.com/v1
        kind: StoragePool
        metadata: {name: fast, namespace: %s}
        status: {health: %s}
        """
            .formatted(scene.name, health));
  }

  private String describe(Scene scene) {
    return chaperone
        .lab()
        .kubectl("describe", "companion", "agent", "-n", scene.name)
        .orFail()
        .out()
        .replaceAll("\\s+", " ");
  }
}
