package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Hold;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What the status says is what the eviction API does: where something does not answer, is refused
/// or is changed back, each node's guard is asked to go, as a dry run, and the answers are compared
/// with the words. No source runs here: whatever happens, happens in one event.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class TruthIT {
  private static final int MAY_GO = 201;
  private static final int MUST_WAIT = 429;
  private static final int TWO_BUDGETS = 500;
  private static final int NO_GUARD = 0;

  private static final Set<Integer> ANSWERED = Set.of(200, 204);

  private static final String OBSERVING =
      "{observe: [{as: pool, apiVersion: dark.example.com/v1, resource: pools, name: fast}],"
          + " holdWhen: [{name: unhealthy, expression: \"pool.status.health != 'OK'\"}],"
          + " policy: %s, failurePolicy: %s}";
  private static final String API_SERVICE = "v1.dark.example.com";

  private static final String WORDS = "budgets that let nothing go are not for this cluster";

  private Installation chaperone;

  @AfterEach
  void everythingAnswersAgain() {
    kubectl(
            "delete",
            "validatingadmissionpolicies,validatingadmissionpolicybindings",
            "-l",
            "truth=platform")
        .orFail();
    if (kubectl("get", "crd", "pools.dark.example.com").exit() == 0) {
      kubectl("delete", "apiservice", API_SERVICE, "--ignore-not-found").orFail();
      await("the observed API")
          .atMost(Scene.LONG)
          .until(() -> kubectl("get", "--raw", "/apis/dark.example.com/v1/pools").exit() == 0);
    }
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    // health and failurePolicy before; what then goes wrong; what is asked for; what is then so
    "always-hold,   OK,       Allow, unserved,  AlwaysHold, no,  False AlwaysHold",
    "a-hold,        OK,       Allow, unserved,  Auto,       yes, False Hold",
    "fails-held,    OK,       Hold,  unserved,  Auto,       no,  False ExpressionFailed",
    "was-true,      DEGRADED, Allow, unserved,  Auto,       no,  False ExpressionFailed",
    "never-true,    OK,       Allow, unserved,  Auto,       no,  True NothingHolds",
    "no-right,      DEGRADED, Allow, forbidden, Auto,       no,  False ExpressionFailed",
    "no-right-ever, OK,       Allow, forbidden, Auto,       no,  True NothingHolds",
  })
  void what_cannot_be_read_keeps_nothing_open_that_should_be_closed(
      String name,
      String health,
      String failurePolicy,
      String fault,
      String policy,
      String hold,
      String then) {
    observable();
    try (Scene scene = new Scene(chaperone, "dark-" + name, 2)) {
      pool(scene, health);
      scene.withCompanion(OBSERVING.formatted("Auto", failurePolicy)).pulseUntilGuarded();
      assertThat(scene.condition("Evaluated")).isEqualTo("True Evaluated");
      assertSaysWhatIs(scene);

      if (fault.equals("unserved")) {
        nobodyServesPools();
      } else {
        nobodyMayReadPools();
      }
      scene.companion(OBSERVING.formatted(policy, failurePolicy));
      if (hold.equals("yes")) {
        scene.hold("rebuild");
      }
      assertThat(chaperone.pulse().statusCode()).isIn(ANSWERED);

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo(then);
      assertThat(scene.condition("Evaluated")).isEqualTo("False EvaluationFailed");
      assertThat(scene.message("Evaluated"))
          .contains(
              (fault.equals("unserved") ? "cannot read" : "Chaperone may not read")
                  + " pools (dark.example.com/v1) %s/fast, observed as pool".formatted(scene.name));
      assertSaysWhatIs(scene);
      if (hold.equals("yes")) {
        assertThat(told(scene, "rebuild", "Enforced")).startsWith("True Enforced");
      }
    }
  }

  @Test
  void what_does_not_answer_to_one_companion_keeps_no_other_waiting() {
    observable();
    try (Scene dark = new Scene(chaperone, "dark-first", 1);
        Scene other = new Scene(chaperone, "dark-second", 2)) {
      pool(dark, "OK");
      dark.withCompanion(OBSERVING.formatted("Auto", "Hold")).pulseUntilGuarded();
      other.withCompanion("{}").pulseUntilGuarded();

      nobodyServesPools();
      other.hold("rebuild");
      assertThat(chaperone.pulse().statusCode()).isIn(ANSWERED);

      assertThat(other.condition("DisruptionAllowed")).isEqualTo("False Hold");
      assertSaysWhatIs(other);
      assertThat(dark.condition("DisruptionAllowed")).isEqualTo("False ExpressionFailed");
      assertSaysWhatIs(dark);
    }
  }

  @Test
  void what_may_not_be_closed_is_told_to_everybody_who_asks() {
    try (Scene scene = new Scene(chaperone, "unclosable", 2).withCompanion("{}")) {
      scene.pulseUntilGuarded();
      scene.awaitAllowed("agent-nodes", 1);
      String token = mayHold(scene);
      refuseClosedBudgets(scene);
      scene.hold("rebuild");

      HttpResponse<String> answer = chaperone.changed("Hold", scene.name, "rebuild");

      assertThat(answer.headers().firstValue("ce-type"))
          .contains("dev.chaperone.disruption.notenforced");
      assertThat(answer.body()).contains(WORDS);
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("Unknown NotEnforced");
      assertThat(scene.message("DisruptionAllowed"))
          .contains("agent-nodes is open")
          .contains(WORDS);
      assertThat(scene.condition("Ready")).startsWith("False ");
      assertThat(scene.message("Ready")).contains(WORDS);
      assertThat(told(scene, "rebuild", "Active")).startsWith("True Active");
      assertThat(told(scene, "rebuild", "Enforced"))
          .startsWith("False NotEnforced")
          .contains(WORDS);
      assertThat(scene.message("DisruptionAllowed")).doesNotContain("Received status");
      assertThat(warnings(scene)).contains("NotEnforced").contains(WORDS);
      assertThat(evictions(scene)).containsValue(MAY_GO);
      assertSaysWhatIs(scene);
      HttpResponse<String> asked = askToHold(scene, token);
      assertThat(asked.statusCode()).isEqualTo(503);
      assertThat(asked.body()).contains("blocks nothing").contains(WORDS);

      letBudgetsBeClosed(scene);
      answer = chaperone.changed("Hold", scene.name, "rebuild");

      assertThat(answer.headers().firstValue("ce-type")).contains("dev.chaperone.disruption.held");
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
      assertThat(scene.condition("Ready")).isEqualTo("True Ready");
      assertThat(told(scene, "rebuild", "Enforced")).startsWith("True Enforced");
      assertThat(evictions(scene)).hasSize(2);
      assertSaysWhatIs(scene);
      assertThat(askToHold(scene, token).statusCode()).isIn(ANSWERED);
    }
  }

  @Test
  void what_may_not_even_be_made_is_not_called_closed() {
    try (Scene scene = new Scene(chaperone, "unmakable", 2)) {
      refuseClosedBudgets(scene);
      scene.withCompanion("{policy: AlwaysHold}");
      await("guards")
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.pulse();
                return scene.guardedNodes().size() == 2;
              });

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("Unknown NotEnforced");
      assertThat(scene.condition("Guarded")).isEqualTo("False Refused");
      assertThat(scene.message("DisruptionAllowed"))
          .contains("agent-nodes does not exist")
          .contains(WORDS);
      assertThat(warnings(scene)).contains("NotEnforced").contains(WORDS);
      assertThat(evictions(scene)).hasSize(2).containsValue(MAY_GO);
      assertSaysWhatIs(scene);

      letBudgetsBeClosed(scene);
      chaperone.changed("Companion", scene.name, "agent");

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False AlwaysHold");
      assertSaysWhatIs(scene);
    }
  }

  /// As OpenShift's SecurityContextConstraints and Rancher's namespaces have it.
  @Test
  void guards_run_as_whatever_user_the_cluster_gives() {
    try (Scene scene = new Scene(chaperone, "user-range", 2)) {
      String range = "%s >= 1000700000 && %<s < 1000710000";
      policy(
          scene,
          "",
          "pods",
          """
          (!has(object.spec.securityContext) || !has(object.spec.securityContext.runAsUser)
            || %s)
          && object.spec.containers.all(it, !has(it.securityContext)
            || !has(it.securityContext.runAsUser) || %s)
          """
              .formatted(
                  range.formatted("object.spec.securityContext.runAsUser"),
                  range.formatted("it.securityContext.runAsUser")),
          "runAsUser must be from the range of the namespace");
      String fixed = pod(scene, "{runAsUser: 65535}");
      awaitRefused(fixed, "runAsUser must be from the range");

      scene.withCompanion("{}").pulseUntilGuarded();

      assertThat(scene.guards())
          .hasSize(2)
          .allSatisfy(it -> assertThat(it.getSpec().getSecurityContext().getRunAsUser()).isNull());
      scene.hold("rebuild");
      chaperone.changed("Hold", scene.name, "rebuild");
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
      assertSaysWhatIs(scene);
    }
  }

  @Test
  void a_restricted_namespace_admits_guards() {
    try (Scene scene = new Scene(chaperone, "restricted", 2)) {
      scene.daemonSet("target", "{pool: %s}".formatted(scene.name));
      scene.awaitPods("target", 2);
      kubectl(
              "label",
              "namespace",
              scene.name,
              "pod-security.kubernetes.io/enforce=restricted",
              "pod-security.kubernetes.io/enforce-version=latest")
          .orFail();
      awaitRefused(pod(scene, "{}"), "violates PodSecurity \"restricted:latest\"");
      scene.apply(
          """
          apiVersion: chaperone.dev/v1alpha1
          kind: Companion
          metadata: {name: agent, namespace: %s}
          spec: {targetRef: {name: target}}
          """
              .formatted(scene.name));

      scene.pulseUntilGuarded();

      assertThat(scene.guards()).hasSize(2);
      assertSaysWhatIs(scene);
    }
  }

  @Test
  void a_guard_that_is_not_ready_uses_up_the_budget_and_is_named() {
    try (Scene scene = new Scene(chaperone, "not-ready", 3).withCompanion("{}")) {
      scene.pulseUntilGuarded();
      scene.awaitAllowed("agent-nodes", 1);
      Pod dead = guardOn(scene, 2);
      ready(dead, "Running", false);
      scene.awaitAllowed("agent-nodes", 0);
      try (Kubectl drain = scene.drain(1)) {
        Scene.awaitHeld(drain);

        chaperone.changed("PodDisruptionBudget", scene.name, "agent-nodes");

        assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False MaxUnavailableReached");
        assertThat(scene.message("DisruptionAllowed"))
            .contains("node " + scene.node(2) + " (guard not ready)")
            .doesNotContain(scene.node(3));
        assertThat(scene.companion().getStatus().blockedNodes()).containsExactly(scene.node(1));
        assertThat(kubectl("describe", "node", scene.node(1)).out())
            .contains("DrainBlocked")
            .contains("used up by node " + scene.node(2));
        assertThat(evictions(scene))
            .containsEntry(scene.node(1), MUST_WAIT)
            .containsEntry(scene.node(2), MAY_GO)
            .containsEntry(scene.node(3), MUST_WAIT);

        ready(dead, "Running", true);

        assertThat(drain.await(Scene.LONG).exit()).isZero();
      }
    }
  }

  /// The pods of the nodes that are full have no node; those of the broken ones have one and do not
  /// start.
  @ParameterizedTest
  @CsvSource({"full", "broken"})
  void a_node_that_does_not_run_the_target_uses_nothing_up(String nodes) {
    try (Scene scene = new Scene(chaperone, nodes + "-nodes", 5)) {
      boolean full = nodes.equals("full");
      if (full) {
        room(scene, 0);
      }
      scene.daemonSet("target", "{pool: %s}".formatted(scene.name));
      if (!full) {
        scene.awaitPods("target", 5);
        start(scene, false);
      }
      scene.awaitPods("target", 3);
      scene.daemonSet("follower", "{}");
      scene.companion("{}");

      scene.pulseUntilGuarded();

      assertThat(scene.companion().getStatus().guards().desired()).isEqualTo(3);
      assertThat(scene.companion().getStatus().guards().running()).isEqualTo(3);
      assertThat(scene.guardedNodes()).containsExactly(scene.node(1), scene.node(2), scene.node(3));
      assertThat(scene.guards()).hasSize(3);
      scene.awaitAllowed("agent-nodes", 1);
      assertThat(evictions(scene)).hasSize(3).containsValue(MAY_GO);
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
      assertThat(scene.condition("Ready")).isEqualTo("True Ready");

      if (full) {
        room(scene, 110);
      } else {
        start(scene, true);
      }
      scene.awaitPods("target", 5);
      scene.pulseUntilGuarded();
      assertThat(scene.companion().getStatus().guards().desired()).isEqualTo(5);
      assertThat(scene.guardedNodes()).hasSize(5);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "by-manager; matchLabels: {app.kubernetes.io/managed-by: chaperone}",
        "by-hash; matchExpressions: [{key: pod-template-hash, operator: Exists}]",
      })
  void a_budget_of_somebody_else_on_what_guards_are_labelled_with_is_named(
      String name, String selector) {
    try (Scene scene = new Scene(chaperone, "overlap-" + name, 2).withCompanion("{}")) {
      scene.pulseUntilGuarded();
      scene.apply(
          """
          apiVersion: policy/v1
          kind: PodDisruptionBudget
          metadata: {name: theirs, namespace: %s}
          spec: {maxUnavailable: 1, selector: {%s}}
          """
              .formatted(scene.name, selector));

      chaperone.changed("PodDisruptionBudget", scene.name, "theirs");

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False OverlappingBudget");
      assertThat(scene.message("DisruptionAllowed")).contains("theirs");
      assertThat(scene.condition("Guarded")).isEqualTo("False OverlappingBudget");
      assertThat(warnings(scene)).contains("theirs");
      assertThat(evictions(scene))
          .hasSize(2)
          .doesNotContainValue(MAY_GO)
          .containsValue(TWO_BUDGETS);
      assertSaysWhatIs(scene);

      kubectl("delete", "pdb", "theirs", "-n", scene.name).orFail();
      chaperone.deleted("PodDisruptionBudget", scene.name, "theirs");

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
      scene.awaitAllowed("agent-nodes", 1);
      assertSaysWhatIs(scene);
    }
  }

  /// By server-side apply, as Argo CD and Flux do: once and again for ever.
  @Test
  void who_applies_an_empty_placement_again_and_again_rolls_no_pods(@TempDir Path folder)
      throws IOException {
    try (Scene scene = new Scene(chaperone, "applied", 2)) {
      Path follower = follower(scene, folder, "{}");
      String[] apply = {
        "apply", "--server-side", "--field-manager=gitops", "--force-conflicts", "-f", "" + follower
      };
      kubectl(apply).orFail();
      scene.daemonSet("target", "{pool: %s}".formatted(scene.name));
      scene.companion("{}");

      assertEnds(scene, apply);

      assertThat(scene.message("Placed")).contains("gitops");
    }
  }

  /// By client-side apply, as kubectl and self-healing controllers do.
  @Test
  void who_changes_the_placement_back_each_time_is_left_alone_in_the_end(@TempDir Path folder)
      throws IOException {
    try (Scene scene = new Scene(chaperone, "changed-back", 2)) {
      Path follower = follower(scene, folder, "{pool: theirs}");
      String[] apply = {"apply", "-f", "" + follower};
      kubectl(apply).orFail();
      scene.daemonSet("target", "{pool: %s}".formatted(scene.name));
      scene.companion("{}");

      assertEnds(scene, apply);

      assertThat(placements(scene)).isEqualTo(3);
      assertThat(scene.message("Placed")).contains("back 3 times").contains("kubectl");
    }
  }

  /// A run that opens looks twice, and the second look finds the placement as it should be.
  @Test
  void what_was_changed_back_while_something_held_counts_too(@TempDir Path folder)
      throws IOException {
    try (Scene scene = new Scene(chaperone, "changed-held", 2)) {
      Path follower = follower(scene, folder, "{pool: theirs}");
      kubectl("apply", "-f", "" + follower).orFail();
      scene.daemonSet("target", "{pool: %s}".formatted(scene.name));
      scene.companion("{}");
      scene.pulseUntilGuarded();

      for (int round = 0; round < 5; round++) {
        scene.hold("rebuild");
        chaperone.pulse();
        kubectl("apply", "-f", "" + follower).orFail();
        scene.release("rebuild");
        chaperone.pulse();
        assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
      }

      assertThat(scene.condition("Placed")).isEqualTo("False PlacementConflict");
      assertThat(placements(scene)).isEqualTo(3);
    }
  }

  /// Five rounds, after which nobody changes the follower any more.
  private void assertEnds(Scene scene, String... apply) {
    for (int round = 0; round < 5; round++) {
      chaperone.pulse();
      kubectl(apply).orFail();
    }
    chaperone.pulse();
    assertThat(scene.condition("Placed")).isEqualTo("False PlacementConflict");
    assertThat(scene.condition("Ready")).startsWith("False ");
    assertThat(placements(scene)).isLessThanOrEqualTo(3);
    long generation = scene.daemonSet("follower").getMetadata().getGeneration();

    for (int round = 0; round < 3; round++) {
      kubectl(apply).orFail();
      chaperone.pulse();
    }

    assertThat(scene.daemonSet("follower").getMetadata().getGeneration()).isEqualTo(generation);
    assertThat(scene.condition("Placed")).isEqualTo("False PlacementConflict");
  }

  private static Path follower(Scene scene, Path folder, String nodeSelector) throws IOException {
    return Files.writeString(
        folder.resolve("follower.yaml"),
        """
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: follower, namespace: %s}
        spec:
          selector: {matchLabels: {app: follower}}
          template:
            metadata: {labels: {app: follower}}
            spec:
              nodeSelector: %s
              containers: [{name: main, image: none}]
        """
            .formatted(scene.name, nodeSelector));
  }

  /// How often the functions wrote the follower.
  private int placements(Scene scene) {
    return (int)
        chaperone.writes().stream()
            .filter(it -> it.resource().equals("daemonsets") && it.namespace().equals(scene.name))
            .filter(it -> it.code() == 200)
            .count();
  }

  /// The eviction API's answers are those that the condition speaks of.
  private void assertSaysWhatIs(Scene scene) {
    String said = scene.condition("DisruptionAllowed");
    SortedMap<String, Integer> answers = evictions(scene);
    assertThat(answers).as(said).isNotEmpty();
    new Truth(client(), scene.name).require();
    switch (said.substring(0, said.indexOf(' '))) {
      case "True" -> {
        scene.awaitAllowed("agent-nodes", 1);
        assertThat(evictions(scene)).as(said).containsValue(MAY_GO);
      }
      case "False" ->
          assertThat(answers.values()).as(said).isSubsetOf(Set.of(MUST_WAIT, TWO_BUDGETS));
      default ->
          assertThat(answers.values()).as(said).anyMatch(it -> it == MAY_GO || it == NO_GUARD);
    }
  }

  /// What the API server would answer who evicts the guard of each node that runs the target.
  private SortedMap<String, Integer> evictions(Scene scene) {
    SortedMap<String, Integer> answers = new TreeMap<>();
    Truth truth = new Truth(client(), scene.name);
    client()
        .pods()
        .inNamespace(scene.name)
        .withLabel("app", "target")
        .withField("status.phase", "Running")
        .list()
        .getItems()
        .forEach(it -> answers.put(it.getSpec().getNodeName(), NO_GUARD));
    scene.guards().stream()
        .filter(it -> answers.containsKey(it.getSpec().getNodeName()))
        .forEach(it -> answers.put(it.getSpec().getNodeName(), truth.evict(it)));
    return answers;
  }

  /// `status Reason message` of a Hold's condition.
  private String told(Scene scene, String hold, String type) {
    Hold told = client().resources(Hold.class).inNamespace(scene.name).withName(hold).get();
    return told.getStatus().conditions().stream()
        .filter(it -> it.getType().equals(type))
        .map(
            (Condition it) -> "%s %s %s".formatted(it.getStatus(), it.getReason(), it.getMessage()))
        .collect(Collectors.joining());
  }

  private String warnings(Scene scene) {
    return kubectl("get", "events", "-n", scene.name, "--field-selector=type=Warning")
        .orFail()
        .out();
  }

  private static Pod guardOn(Scene scene, int node) {
    return scene.guards().stream()
        .filter(it -> scene.node(node).equals(it.getSpec().getNodeName()))
        .findFirst()
        .orElseThrow();
  }

  /// As a kubelet reports it.
  private void ready(Pod pod, String phase, boolean ready) {
    chaperone
        .lab()
        .reportPod(
            pod.getMetadata().getNamespace(),
            pod.getMetadata().getName(),
            "{\"status\": {\"phase\": \"%s\", \"conditions\": [{\"type\": \"Ready\", \"status\": \"%s\"}]}}"
                .formatted(phase, ready ? "True" : "False"));
  }

  /// How many pods nodes 4 and 5 have room for.
  private void room(Scene scene, int pods) {
    for (int node : List.of(4, 5)) {
      kubectl(
              "patch",
              "node",
              scene.node(node),
              "--subresource=status",
              "--type=merge",
              "-p",
              "{\"status\": {\"allocatable\": {\"pods\": \"%d\"}, \"capacity\": {\"pods\": \"%<d\"}}}"
                  .formatted(pods))
          .orFail();
    }
  }

  /// Whether the target's pods on nodes 4 and 5 have started.
  private void start(Scene scene, boolean started) {
    Set<String> nodes = IntStream.of(4, 5).mapToObj(scene::node).collect(Collectors.toSet());
    client().pods().inNamespace(scene.name).withLabel("app", "target").list().getItems().stream()
        .filter(it -> nodes.contains(it.getSpec().getNodeName()))
        .forEach(it -> ready(it, started ? "Running" : "Pending", started));
  }

  private void observable() {
    chaperone
        .lab()
        .apply(
            """
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata: {name: pools.dark.example.com}
            spec:
              group: dark.example.com
              scope: Namespaced
              names: {kind: Pool, plural: pools, singular: pool, listKind: PoolList}
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
              name: chaperone-observe-dark-pools
              labels: {chaperone.dev/aggregate-to-observe: "true"}
            rules:
            - {apiGroups: [dark.example.com], resources: [pools], verbs: [get]}
            """);
    chaperone.lab().awaitListed("pools.dark.example.com");
    await("the aggregated rights").atMost(Scene.LONG).until(this::mayReadPools);
  }

  private void pool(Scene scene, String health) {
    scene.apply(
        """
        apiVersion: dark.example.com/v1
        kind: Pool
        metadata: {name: fast, namespace: %s}
        status: {health: %s}
        """
            .formatted(scene.name, health));
  }

  /// Sends whoever asks for a pool to a Service that does not exist: the API server answers 503.
  private void nobodyServesPools() {
    kubectl(
            "patch",
            "apiservice",
            API_SERVICE,
            "--type=merge",
            "-p",
            """
            {"metadata": {"labels": {"kube-aggregator.kubernetes.io/automanaged": null}},
             "spec": {"service": {"name": "nobody", "namespace": "default", "port": 443},
                      "insecureSkipTLSVerify": true}}
            """)
        .orFail();
    await("no answer")
        .atMost(Scene.LONG)
        .until(
            () ->
                kubectl("get", "--raw", "/apis/dark.example.com/v1/pools")
                    .err()
                    .contains("ServiceUnavailable"));
  }

  private void nobodyMayReadPools() {
    kubectl("delete", "clusterrole", "chaperone-observe-dark-pools").orFail();
    await("no right").atMost(Scene.LONG).until(() -> !mayReadPools());
  }

  private boolean mayReadPools() {
    return kubectl(
                "auth",
                "can-i",
                "get",
                "pools.dark.example.com",
                "--as=system:serviceaccount:chaperone:functions")
            .exit()
        == 0;
  }

  private void refuseClosedBudgets(Scene scene) {
    policy(
        scene,
        "policy",
        "poddisruptionbudgets",
        """
        !(has(object.spec.minAvailable) && type(object.spec.minAvailable) == int
          && object.spec.minAvailable > 1000)
        && !(has(object.spec.maxUnavailable) && type(object.spec.maxUnavailable) == int
          && object.spec.maxUnavailable == 0)
        """,
        WORDS);
    awaitRefused(closedBudget(scene), WORDS);
  }

  private void letBudgetsBeClosed(Scene scene) {
    kubectl("delete", "validatingadmissionpolicybinding", scene.name).orFail();
    String budget = closedBudget(scene);
    await("budgets are admitted").atMost(Scene.LONG).until(() -> dryRun(budget).exit() == 0);
  }

  private static String closedBudget(Scene scene) {
    return """
    apiVersion: policy/v1
    kind: PodDisruptionBudget
    metadata: {name: closed, namespace: %s}
    spec: {minAvailable: 2147483647, selector: {matchLabels: {app: none}}}
    """
        .formatted(scene.name);
  }

  private static String pod(Scene scene, String securityContext) {
    return """
    apiVersion: v1
    kind: Pod
    metadata: {name: fixed, namespace: %s}
    spec:
      securityContext: %s
      containers: [{name: main, image: none}]
    """
        .formatted(scene.name, securityContext);
  }

  /// The platform's own rules, in this namespace.
  private static void policy(
      Scene scene, String group, String resource, String expression, String message) {
    scene.apply(
        """
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicy
        metadata: {name: %1$s, labels: {truth: platform}}
        spec:
          failurePolicy: Fail
          matchConstraints:
            namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %1$s}}
            resourceRules:
            - {apiGroups: ["%2$s"], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [%3$s]}
          validations:
          - message: %4$s
            expression: >-
              %5$s
        ---
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicyBinding
        metadata: {name: %1$s, labels: {truth: platform}}
        spec: {policyName: %1$s, validationActions: [Deny]}
        """
            .formatted(
                scene.name, group, resource, message, expression.strip().replace("\n", " ")));
  }

  private void awaitRefused(String yaml, String words) {
    await(words).atMost(Scene.LONG).until(() -> dryRun(yaml).err().contains(words));
  }

  private Kubectl.Result dryRun(String yaml) {
    try {
      Path file = Files.createTempFile(chaperone.lab().folder(), "dry-run", ".yaml");
      Files.writeString(file, yaml);
      return kubectl("create", "--dry-run=server", "-f", file.toString());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// The token of somebody who may make Holds there.
  private String mayHold(Scene scene) {
    scene.apply(
        """
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: alerts, namespace: %1$s}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata: {name: hold, namespace: %1$s}
        rules:
        - {apiGroups: [chaperone.dev], resources: [holds], verbs: [create, delete]}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: hold, namespace: %1$s}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: hold}
        subjects: [{kind: ServiceAccount, name: alerts, namespace: %1$s}]
        """
            .formatted(scene.name));
    return chaperone.lab().token(scene.name, "alerts", "chaperone.dev");
  }

  private HttpResponse<String> askToHold(Scene scene, String token) {
    return chaperone.post(
        chaperone.holdEvent(scene.name + "/agent").header("Authorization", "Bearer " + token));
  }

  private Kubectl.Result kubectl(String... arguments) {
    return chaperone.lab().kubectl(arguments);
  }

  private KubernetesClient client() {
    return chaperone.lab().client();
  }
}
