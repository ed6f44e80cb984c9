package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.controlplane.ApiCall;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.knative.Eventing;
import dev.chaperone.lab.knative.Serving;
import dev.chaperone.lab.knative.Serving.Program;
import dev.chaperone.lab.programs.Kubectl;
import java.net.HttpURLConnection;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// The overlay for one namespace: its events come through real sources, a real Broker and real
/// Triggers, and everything works there, with rights and calls that end there.
@ExtendWith(LabExtension.class)
class OneNamespaceIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Path OVERLAY = HOME.resolve("knative/overlays/one-namespace");

  private static final Duration SELDOM_IDLE = Duration.ofMinutes(2);

  /// As the overlay says.
  private static final String NAMESPACE = "storage";

  /// In no namespace, so that a Role cannot grant them.
  private static final Set<String> CLUSTER_WIDE =
      Set.of("nodes", "tokenreviews", "subjectaccessreviews");

  private static final Set<String> USERS =
      Set.of(
          "system:serviceaccount:storage:functions",
          "system:serviceaccount:storage:dead-letters",
          "system:serviceaccount:storage:sources");

  private final Lab lab;
  private final Eventing eventing;
  private Serving serving;
  private Installation chaperone;
  private Instant installed = Instant.MAX;

  OneNamespaceIT(Lab lab, Eventing eventing) {
    this.lab = lab;
    this.eventing = eventing;
  }

  @BeforeEach
  void install() {
    lab.apply(HOME.resolve("knative/crds"));
    lab.awaitListed("companions", "holds");
    serving =
        Serving.start(
            eventing,
            new Program(
                FunctionsCommand.fastest(FunctionsCommand.built(HOME)), Map.of(), SELDOM_IDLE));
    lab.kubectl("create", "namespace", NAMESPACE).orFail();
    lab.apply(OVERLAY);
    chaperone = new Installation(lab, serving.functions(NAMESPACE, "functions").address(), OVERLAY);
    eventing.awaitReady();
    installed = Instant.now();
  }

  @AfterEach
  void stop() {
    lab.kubectl("delete", "-k", OVERLAY.toString()).orFail();
    lab.kubectl("delete", "--ignore-not-found", "namespace", NAMESPACE).orFail();
    serving.close();
  }

  @Test
  void a_drain_is_held_and_let_go_and_nobody_looks_at_any_other_namespace() {
    try (Scene other = new Scene(chaperone, "elsewhere", 1).withCompanion("{}");
        Scene scene = new Scene(chaperone, NAMESPACE, 3).withCompanion("{}")) {
      other.hold("rebuild");
      scene.awaitGuarded(1, 2, 3);
      scene.awaitAllowed("agent-nodes", 1);
      scene.hold("rebuild");
      scene.awaitAllowed("agent-nodes", 0);
      scene.awaitAllowed("agent-pods", 0);

      Kubectl drain = scene.drain(1);
      Scene.awaitHeld(drain);
      scene.awaitCondition("DisruptionAllowed", "False Hold");
      await()
          .atMost(Scene.LONG)
          .until(
              () -> {
                // Updates of Nodes wake nobody by default.
                chaperone.pulse();
                return lab.kubectl("describe", "companion", "agent", "-n", NAMESPACE)
                    .out()
                    .contains("blocks the drain of node " + scene.node(1));
              });
      scene.release("rebuild");
      assertThat(drain.await(Scene.LONG).exit()).isZero();
      scene.uncordon(1);
      await()
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.pulse();
                return scene.guardedNodes().size() == 3;
              });

      mayHoldEverywhere("alerts");
      // The event of the Hold that it makes may be the faster one, and get the answer.
      assertThat(holdByEvent(NAMESPACE)).isIn(200, 204);
      scene.awaitAllowed("agent-nodes", 0);
      assertThat(holdByEvent("elsewhere")).isEqualTo(400);
      assertThat(chaperone.changed("Companion", "elsewhere", "agent").statusCode()).isEqualTo(204);
      assertThat(chaperone.changed("Hold", "elsewhere", "rebuild").statusCode()).isEqualTo(204);
      assertThat(chaperone.pulse().statusCode()).isIn(200, 204);

      assertThat(other.companion().getStatus()).isNull();
      assertThat(other.budget("agent-nodes")).isNull();
      assertThat(other.daemonSet("follower").getSpec().getTemplate().getSpec().getNodeSelector())
          .isNullOrEmpty();
      List<ApiCall> calls = calls();
      assertThat(calls).extracting(ApiCall::verb).contains("get", "list", "patch", "create");
      assertThat(calls)
          .filteredOn(call -> !CLUSTER_WIDE.contains(call.resource()))
          .allSatisfy(call -> assertThat(call.namespace()).isEqualTo(NAMESPACE));
      assertThat(calls).noneMatch(OneNamespaceIT::isRefused);
      assertThat(calls.stream().map(ApiCall::resource).filter(CLUSTER_WIDE::contains).distinct())
          .containsExactlyInAnyOrderElementsOf(CLUSTER_WIDE);
    }
  }

  @Test
  void a_target_in_another_namespace_is_refused_and_holds() {
    try (Scene scene = new Scene(chaperone, NAMESPACE, 0)) {
      scene.daemonSet("follower", "{}");
      scene.apply(
          """
          apiVersion: chaperone.dev/v1alpha1
          kind: Companion
          metadata: {name: agent, namespace: storage}
          spec:
            targetRef: {name: kube-proxy, namespace: kube-system}
            followerRef: {name: follower}
          """);

      assertThat(chaperone.changed("Companion", NAMESPACE, "agent").statusCode()).isIn(200, 204);

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("Unknown NotEnforced");
      assertThat(scene.condition("Placed")).isEqualTo("False TargetElsewhere");
      assertThat(scene.condition("Guarded")).isEqualTo("False TargetElsewhere");
      assertThat(lab.kubectl("describe", "companion", "agent", "-n", NAMESPACE).out())
          .contains("DaemonSet kube-system/kube-proxy cannot be read");
      assertThat(calls()).noneMatch(OneNamespaceIT::isRefused);
    }
  }

  private void mayHoldEverywhere(String serviceAccount) {
    lab.kubectl("create", "serviceaccount", serviceAccount, "-n", NAMESPACE).orFail();
    lab.kubectl(
            "create",
            "clusterrolebinding",
            serviceAccount,
            "--clusterrole=cluster-admin",
            "--serviceaccount=" + NAMESPACE + ":" + serviceAccount)
        .orFail();
  }

  private int holdByEvent(String namespace) {
    String token = lab.token(NAMESPACE, "alerts", "chaperone.dev");
    return chaperone
        .post(chaperone.holdEvent(namespace + "/agent").header("authorization", "Bearer " + token))
        .statusCode();
  }

  private static boolean isRefused(ApiCall call) {
    return call.code() == HttpURLConnection.HTTP_FORBIDDEN;
  }

  private List<ApiCall> calls() {
    Predicate<ApiCall> ours = call -> USERS.contains(call.user());
    // What came before are other tests, whose rights went before they did. Without a resource it is
    // a question about the API itself.
    return lab.apiCalls().stream()
        .filter(ours)
        .filter(call -> call.time().isAfter(installed) && !call.resource().isEmpty())
        .toList();
  }
}
