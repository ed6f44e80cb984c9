package dev.chaperone.lab.facts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.programs.Binaries.Module;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.programs.LoopbackPort;
import dev.chaperone.lab.programs.ServerProcess;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSetStatus;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What Chaperone relies on, shown on Kubernetes itself with none of Chaperone's functions. A test
/// that fails on another version names what has changed, and so what to look at before that version
/// is supported. What differs between versions is said in the test that shows it.
@ExtendWith(LabExtension.class)
class KubernetesFactsIT {
  private static final Duration LONG = Duration.ofMinutes(2);

  /// How long something is watched that must not happen.
  private static final Duration QUIET = Duration.ofSeconds(5);

  private static final String CLOSED = "minAvailable: 2147483647";

  private final Lab lab;
  private final int minor;

  KubernetesFactsIT(Lab lab) {
    this.lab = lab;
    this.minor = Integer.parseInt(lab.kubernetes().split("\\.", -1)[1]);
  }

  @Test
  void the_lab_runs_the_version_that_was_chosen() {
    assertThat(lab.client().getKubernetesVersion().getGitVersion())
        .isEqualTo("v" + lab.kubernetes());
    assertThat(lab.kubectl("version", "--client").orFail().out())
        .contains("Client Version: v" + lab.kubernetes());
  }

  /// Why companion pods are protected by an integer `minAvailable`.
  @ParameterizedTest
  @CsvSource({"maxUnavailable: 0", "maxUnavailable: 1", "maxUnavailable: 50%", "minAvailable: 50%"})
  void a_budget_of_daemon_set_pods_with_max_unavailable_or_a_percentage_always_blocks(String rule) {
    try (FactsNamespace facts = new FactsNamespace(lab, 2)) {
      facts.daemonSet();
      facts.awaitReady(2);
      facts.budget(rule);

      await()
          .atMost(LONG)
          .untilAsserted(
              () ->
                  assertThat(facts.budget().getStatus().getConditions())
                      .singleElement()
                      .satisfies(
                          it -> {
                            assertThat(it.getReason()).isEqualTo("SyncFailed");
                            assertThat(it.getMessage())
                                .contains("does not implement the scale subresource");
                          }));
      assertThat(facts.budget().getStatus().getDisruptionsAllowed()).isZero();
      assertThat(facts.evict(facts.pods().getFirst()).code()).isEqualTo(429);
    }
  }

  @Test
  void an_integer_min_available_works_for_daemon_set_pods() {
    try (FactsNamespace facts = new FactsNamespace(lab, 2)) {
      facts.daemonSet();
      facts.awaitReady(2);

      facts.budget("minAvailable: 1");

      facts.awaitAllowed(1);
      assertThat(facts.evict(facts.pods().getFirst()).code()).isEqualTo(201);
    }
  }

  /// Why there are guards.
  @Test
  void a_drain_ignores_daemon_set_pods_and_their_closed_budget() {
    try (FactsNamespace facts = new FactsNamespace(lab, 1)) {
      facts.daemonSet();
      facts.awaitReady(1);
      facts.budget(CLOSED);
      facts.awaitAllowed(0);
      String before = facts.pods().getFirst().getMetadata().getUid();

      try (Kubectl drain = facts.drain(1)) {
        assertThat(drain.await(LONG).orFail().err()).contains("ignoring DaemonSet-managed Pods");
      }

      assertThat(facts.pods()).extracting(it -> it.getMetadata().getUid()).containsExactly(before);
    }
  }

  /// Why guards are pods of a Deployment: one drain at a time, without anybody's doing.
  @Test
  void the_pods_of_a_deployment_block_a_drain_until_the_replacement_of_the_last_one_runs() {
    try (FactsNamespace facts = new FactsNamespace(lab, 2)) {
      facts.deployment(2, FactsNamespace.ONE_PER_NODE);
      facts.awaitReady(2);
      facts.budget("maxUnavailable: 0");
      facts.awaitAllowed(0);
      try (Kubectl first = facts.drain(1);
          Kubectl second = facts.drain(2)) {
        FactsNamespace.awaitBlocked(first);
        FactsNamespace.awaitBlocked(second);

        facts.budget("maxUnavailable: 1");

        await().atMost(LONG).until(() -> !first.isRunning() || !second.isRunning());
        Kubectl gone = first.isRunning() ? second : first;
        Kubectl waiting = first.isRunning() ? first : second;
        gone.await(LONG).orFail();
        facts.awaitAllowed(0);
        await().during(QUIET).atMost(LONG).until(waiting::isRunning);

        facts.uncordon(gone == first ? 1 : 2);

        waiting.await(LONG).orFail();
      }
    }
  }

  /// Why no scheduler and no autoscaler touches a Pending guard.
  @Test
  void nobody_touches_a_pod_of_an_unknown_scheduler_until_it_is_bound() {
    try (FactsNamespace facts = new FactsNamespace(lab, 1)) {
      facts.deployment(1, FactsNamespace.OWN_SCHEDULER);
      facts.awaitPending(1);
      await()
          .during(QUIET)
          .atMost(LONG)
          .untilAsserted(
              () -> {
                Pod pod = facts.pods().getFirst();
                assertThat(pod.getSpec().getNodeName()).isNull();
                // What autoscalers look for.
                assertThat(pod.getStatus().getConditions()).isEmpty();
              });

      facts.bind(facts.pods().getFirst(), facts.node(1));

      facts.awaitReady(1);
      assertThat(facts.pods().getFirst().getSpec().getNodeName()).isEqualTo(facts.node(1));
    }
  }

  /// Why a guard is never bound to a cordoned node: nothing else would stop it.
  @Test
  void a_binding_goes_past_a_cordon() {
    try (FactsNamespace facts = new FactsNamespace(lab, 1)) {
      facts.cordon(1);
      facts.deployment(1, FactsNamespace.OWN_SCHEDULER);
      facts.awaitPending(1);

      facts.bind(facts.pods().getFirst(), facts.node(1));

      facts.awaitReady(1);
    }
  }

  /// Why the guard of a node that is gone costs no running one when the replicas drop.
  @Test
  void a_replica_set_deletes_a_pending_pod_first_and_then_the_cheapest() {
    try (FactsNamespace facts = new FactsNamespace(lab, 3)) {
      facts.deployment(4, FactsNamespace.OWN_SCHEDULER);
      facts.awaitPending(4);
      List<Pod> pods = facts.pods();
      for (int i = 1; i <= 3; i++) {
        facts.bind(pods.get(i), facts.node(i));
      }
      facts.awaitReady(3);

      facts.scale(3);

      await().atMost(LONG).until(() -> facts.pods().size() == 3);
      assertThat(facts.pods())
          .extracting(it -> it.getMetadata().getName())
          .doesNotContain(pods.getFirst().getMetadata().getName());

      facts.annotate(pods.get(2), "controller.kubernetes.io/pod-deletion-cost=-1");
      facts.scale(2);

      await().atMost(LONG).until(() -> facts.pods().size() == 2);
      assertThat(facts.pods())
          .extracting(it -> it.getMetadata().getName())
          .containsExactlyInAnyOrder(
              pods.get(1).getMetadata().getName(), pods.get(3).getMetadata().getName());
    }
  }

  /// Why the number of guards is the sum of both.
  @Test
  void a_no_schedule_taint_moves_a_running_daemon_set_pod_from_desired_to_misscheduled() {
    try (FactsNamespace facts = new FactsNamespace(lab, 3)) {
      facts.daemonSet();
      facts.awaitReady(3);

      facts.taint(1, "NoSchedule");

      // No version counts anew for the taint alone: it does at the next change of the DaemonSet.
      await()
          .atMost(LONG)
          .pollInterval(Duration.ofMillis(500))
          .until(
              () -> {
                facts.touchDaemonSet();
                return facts.daemonSetStatus().getNumberMisscheduled() == 1;
              });
      DaemonSetStatus status = facts.daemonSetStatus();
      assertThat(status.getDesiredNumberScheduled()).isEqualTo(2);
      assertThat(facts.ready()).isEqualTo(3);
    }
  }

  @Test
  void the_pods_of_a_deleted_node_stay_bound_to_it_until_garbage_collection() {
    try (FactsNamespace facts = new FactsNamespace(lab, 1)) {
      facts.deployment(1, FactsNamespace.OWN_SCHEDULER);
      facts.awaitPending(1);
      Pod pod = facts.pods().getFirst();
      facts.bind(pod, facts.node(1));
      facts.awaitReady(1);

      facts.deleteNode(1);

      await()
          .during(QUIET)
          .atMost(LONG)
          .until(() -> facts.names().contains(pod.getMetadata().getName()));
      assertThat(facts.pods().getFirst().getSpec().getNodeName()).isEqualTo(facts.node(1));
      await().atMost(LONG).until(() -> !facts.names().contains(pod.getMetadata().getName()));
    }
  }

  /// Why a Hold is enforced only when every guard runs.
  @Test
  void a_pending_pod_is_evicted_past_a_closed_budget() {
    try (FactsNamespace facts = new FactsNamespace(lab, 1)) {
      facts.deployment(3, FactsNamespace.OWN_SCHEDULER);
      facts.awaitPending(3);
      List<Pod> pods = facts.pods();
      facts.bind(pods.get(0), facts.node(1));
      // Nobody is there to run it, as while a kubelet still pulls its image.
      facts.bind(pods.get(1), "nowhere");
      facts.awaitReady(1);
      facts.budget(CLOSED);
      facts.awaitAllowed(0);

      assertThat(facts.evict(pods.get(0)).code()).isEqualTo(429);
      assertThat(facts.evict(pods.get(1)).code()).isEqualTo(201);
      assertThat(facts.evict(pods.get(2)).code()).isEqualTo(201);
    }
  }

  /// Why a closed budget does not say `maxUnavailable: 0`.
  @Test
  void surplus_pods_open_max_unavailable_0_and_no_huge_min_available() {
    try (FactsNamespace facts = new FactsNamespace(lab, 1)) {
      facts.deployment(2, "");
      facts.awaitReady(2);
      facts.budget("maxUnavailable: 0");
      facts.awaitAllowed(0);

      facts.foreignPods(3);

      facts.awaitReady(5);
      facts.awaitAllowed(3);

      facts.deleteBudget();
      facts.budget(CLOSED);
      facts.awaitHealthy(5);
      facts.awaitAllowed(0);
      assertThat(facts.evict(facts.pods().getFirst()).code()).isEqualTo(429);
    }
  }

  @Test
  void a_huge_min_available_stays_closed_while_pods_are_replaced_and_scaled_down() {
    try (FactsNamespace facts = new FactsNamespace(lab, 1)) {
      facts.deployment(8, "");
      facts.awaitReady(8);
      facts.budget(CLOSED);
      facts.awaitAllowed(0);
      Set<Integer> allowed = new ConcurrentSkipListSet<>();
      Set<Integer> healthy = new ConcurrentSkipListSet<>();
      try (var _ =
          facts.watchBudget(
              new Watcher<PodDisruptionBudget>() {
                @Override
                public void eventReceived(Action action, PodDisruptionBudget budget) {
                  allowed.add(budget.getStatus().getDisruptionsAllowed());
                  healthy.add(budget.getStatus().getCurrentHealthy());
                }

                @Override
                public void onClose(WatcherException cause) {
                  // the test is over
                }
              })) {
        facts.restart();
        facts.awaitReady(8);
        facts.scale(1);
        facts.awaitHealthy(1);
      }
      // Something was there to see.
      assertThat(healthy).contains(8, 1).hasSizeGreaterThan(2);
      assertThat(allowed).containsExactly(0);
    }
  }

  /// Why budgets are written whole.
  @Test
  void server_side_apply_cannot_close_a_budget_whose_max_unavailable_somebody_else_wrote() {
    try (FactsNamespace facts = new FactsNamespace(lab, 0)) {
      facts.budget("maxUnavailable: 1");
      lab.kubectl(
              "patch",
              "pdb",
              "budget",
              "-n",
              facts.name(),
              "-p",
              "{\"spec\":{\"maxUnavailable\":2}}")
          .orFail();

      assertThatThrownBy(() -> facts.budget(CLOSED))
          .isInstanceOfSatisfying(
              KubernetesClientException.class,
              refused -> {
                assertThat(refused.getCode()).isEqualTo(422);
                assertThat(refused).hasMessageContaining("cannot be both set");
              });
      assertThat(facts.budget().getSpec().getMaxUnavailable().getIntVal()).isEqualTo(2);
    }
  }

  /// Why `unhealthyPodEvictionPolicy` flips with the budget.
  @ParameterizedTest
  @CsvSource({"IfHealthyBudget, 429", "AlwaysAllow, 201"})
  void the_policy_for_unhealthy_pods_decides_whether_a_closed_budget_holds_them(
      String policy, int code) {
    try (FactsNamespace facts = new FactsNamespace(lab, 1)) {
      facts.deployment(2, "");
      facts.awaitReady(2);
      facts.budget(CLOSED + "\n  unhealthyPodEvictionPolicy: " + policy);
      facts.awaitAllowed(0);
      Pod unhealthy = facts.pods().getFirst();

      facts.makeNotReady(unhealthy);
      facts.awaitHealthy(1);

      assertThat(facts.evict(unhealthy).code()).isEqualTo(code);
    }
  }

  /// Labels of topology reach pods by admission of `pods/NAME/binding`, which is on since 1.35
  /// (PodTopologyLabelsAdmission). The older `bindings` resource copies nothing.
  @Test
  void a_binding_copies_the_topology_labels_of_the_node_since_1_35() {
    try (FactsNamespace facts = new FactsNamespace(lab, 1)) {
      facts.labelNode(1, "topology.kubernetes.io/zone=z1");
      facts.deployment(1, FactsNamespace.OWN_SCHEDULER);
      facts.awaitPending(1);

      facts.bind(facts.pods().getFirst(), facts.node(1));

      facts.awaitReady(1);
      var labels = facts.pods().getFirst().getMetadata().getLabels();
      if (minor >= 35) {
        assertThat(labels).containsEntry("topology.kubernetes.io/zone", "z1");
      } else {
        assertThat(labels).doesNotContainKey("topology.kubernetes.io/zone");
      }
    }
  }

  /// Why the admission policies close the gap before the budget does, and leave it to the budget
  /// from then on.
  @Test
  void a_policy_with_holds_as_parameters_refuses_eviction_and_deletion_with_their_words() {
    lab.apply(Path.of(System.getProperty("chaperone.home"), "knative/crds"));
    lab.awaitListed("holds");
    try (FactsNamespace facts = new FactsNamespace(lab, 1)) {
      facts.deployment(1, "");
      facts.awaitReady(1);
      Pod pod = facts.pods().getFirst();
      try (var _ =
          facts.policy(
              """
              failurePolicy: Ignore
              paramKind: {apiVersion: chaperone.dev/v1alpha1, kind: Hold}
              """,
              "false",
              "\"'Hold ' + params.metadata.name + ': ' + params.spec.reason\"",
              "paramRef: {selector: {}, parameterNotFoundAction: Allow}")) {
        facts.hold("one", "rebuilding");
        facts.awaitRefused(pod);
        assertThat(facts.evict(pod, true).message()).contains("Hold one: rebuilding");
        assertThat(facts.delete(pod, true).message()).contains("Hold one: rebuilding");

        facts.release("one");
        facts.awaitNotRefused(pod);

        facts.hold("two", "again");
        long begin = System.nanoTime();
        facts.awaitRefused(pod);
        Duration latency = Duration.ofNanos(System.nanoTime() - begin);
        assertThat(latency).isLessThan(Duration.ofSeconds(2));

        // Another namespace's Hold is no parameter of a request here.
        try (FactsNamespace other = new FactsNamespace(lab, 1)) {
          other.deployment(1, "");
          other.awaitReady(1);
          assertThat(other.evict(other.pods().getFirst(), true).code()).isEqualTo(201);
        }
      }
    }
  }

  /// Why the policies refuse only what the budget does not hold yet.
  @Test
  void a_drain_ends_at_a_403_and_waits_at_a_429() {
    try (FactsNamespace facts = new FactsNamespace(lab, 1)) {
      facts.deployment(1, "");
      facts.awaitReady(1);
      Pod pod = facts.pods().getFirst();
      try (var _ = facts.policy("failurePolicy: Fail", "false", "\"'no'\"", "")) {
        facts.awaitRefused(pod);
        try (Kubectl drain = facts.drain(1)) {
          Kubectl.Result ended = drain.await(LONG);
          assertThat(ended.exit()).isNotZero();
          assertThat(ended.err()).contains("error when evicting").contains("no");
        }
      }
      facts.awaitNotRefused(pod);
      facts.budget(CLOSED);
      facts.awaitAllowed(0);
      try (Kubectl drain = facts.drain(1)) {
        FactsNamespace.awaitBlocked(drain);
        await().during(QUIET).atMost(LONG).until(drain::isRunning);
      }
    }
  }

  /// Why the policies ask for `request.?subResource`.
  @Test
  void the_subresource_of_a_request_is_absent_on_a_plain_delete() {
    try (FactsNamespace facts = new FactsNamespace(lab, 1)) {
      facts.deployment(1, "");
      facts.awaitReady(1);
      Pod pod = facts.pods().getFirst();
      try (var _ =
          facts.policy(
              "failurePolicy: Fail", "request.subResource == 'eviction'", "\"'no'\"", "")) {
        await()
            .atMost(LONG)
            .untilAsserted(
                () ->
                    assertThat(facts.delete(pod, true).message())
                        .contains("no such key: subResource"));
        assertThat(facts.evict(pod, true).code()).isEqualTo(201);
      }
      try (var _ =
          facts.policy(
              "failurePolicy: Fail",
              "request.?subResource.orValue('') == 'eviction'",
              "\"'a plain one'\"",
              "")) {
        await()
            .atMost(LONG)
            .untilAsserted(
                () -> assertThat(facts.delete(pod, true).message()).contains("a plain one"));
        assertThat(facts.evict(pod, true).code()).isEqualTo(201);
      }
    }
  }

  /// Why the lab's API server has `--endpoint-reconciler-type=none`. Before 1.37 it starts without,
  /// and only logs that it cannot publish its address.
  @Test
  void an_api_server_that_advertises_a_loopback_address_does_not_start_since_1_37() {
    LoopbackPort etcdPort = LoopbackPort.free();
    LoopbackPort port = LoopbackPort.free();
    ServerProcess etcd =
        lab.startServer(
            "facts-etcd",
            List.of(
                lab.program(Module.ETCD).toString(),
                "--data-dir=" + lab.folder().resolve("facts-etcd"),
                "--listen-client-urls=http://127.0.0.1:" + etcdPort,
                "--advertise-client-urls=http://127.0.0.1:" + etcdPort,
                "--listen-peer-urls=http://127.0.0.1:0",
                "--unsafe-no-fsync"),
            Map.of(),
            _ -> etcdPort.accepts());
    Path log = lab.folder().resolve("facts-api-server.log");
    List<String> command =
        List.of(
            lab.program(Module.CONTROLPLANE).toString(),
            "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:" + etcdPort,
            "--cert-dir=" + lab.folder().resolve("facts-certificates"),
            "--secure-port=" + port,
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=" + lab.tokenKey(),
            "--service-account-signing-key-file=" + lab.tokenKey());
    Runnable start =
        () ->
            lab.startServer(
                    "facts-api-server",
                    command,
                    Map.of(),
                    // It listens long before it looks at its address.
                    _ -> contains(log, "unable to sync kubernetes service"))
                .stop();
    try {
      if (minor >= 37) {
        assertThatThrownBy(start::run).hasMessageContaining("cannot use public IP 127.0.0.1");
      } else {
        start.run();
      }
      assertThat(log).content().contains("may not be in the loopback range");
    } finally {
      etcd.stop();
    }
  }

  private static boolean contains(Path log, String words) {
    try {
      return Files.readString(log).contains(words);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
