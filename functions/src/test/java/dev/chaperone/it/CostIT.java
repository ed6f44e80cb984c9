package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.controlplane.ApiCall;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.apps.DeploymentStatus;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What an event costs, counted in the API server's own audit log: the same few reads whatever the
/// size of the cluster, each of them written down here.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class CostIT {
  private static final Set<String> READS = Set.of("get", "list");
  private static final int EVENTS = 2000;

  /// As many as Knative lets through at a time (containerConcurrency).
  private static final int SENDERS = 100;

  /// A run is for as many of them at least, on a machine that has other things to do.
  private static final int SHARED = 25;

  private static final int CONFLICT = 409;

  /// The Companion, its own budgets and its Holds.
  private static final List<String> OWN =
      List.of(
          "get companions", "get poddisruptionbudgets", "get poddisruptionbudgets", "list holds");

  /// The same of each Companion of a namespace.
  private static final List<String> IN_NAMESPACE =
      List.of("list companions", "list holds", "list poddisruptionbudgets");

  /// All else that a decision depends on.
  private static final List<String> REST =
      List.of(
          "get daemonsets",
          "get daemonsets",
          "get deployments",
          "list companions",
          "list holds",
          "list nodes",
          "list poddisruptionbudgets",
          "list pods");

  /// What any event reads, once it is known which Companion it concerns.
  private static final List<String> LOOK = all(OWN, REST);

  private static final List<String> WHICH = List.of("list companions");

  /// Whom an event of a node concerns: those with a pod on it.
  private static final List<String> ON_NODE = List.of("list companions", "list pods");

  /// A node that may be without a guard: itself, and its pods.
  private static final List<String> ONE_MORE = List.of("list nodes", "list pods");

  /// Where the target should have more pods than there should be guards: those that do not run.
  private static final List<String> STARTING = List.of("list pods");

  private Installation chaperone;

  @ParameterizedTest
  @ValueSource(ints = {5, 100})
  void an_event_reads_the_same_in_a_cluster_of_any_size(int nodes) {
    try (Scene scene = new Scene(chaperone, "cost-" + nodes, nodes).withCompanion("{}")) {
      scene.awaitPods("target", nodes);
      scene.awaitPods("follower", nodes);
      scene.pulseUntilGuarded();
      scene.settle();

      assertThat(reads(scene, "Companion", "agent")).isEqualTo(LOOK);
      assertThat(reads(scene, "DaemonSet", "target")).isEqualTo(all(WHICH, LOOK));
      assertThat(reads(scene, "Pod", "any")).isEqualTo(all(WHICH, LOOK));
      // What Chaperone made has the name of its Companion.
      assertThat(reads(scene, "Deployment", "agent-guards"))
          .isEqualTo(all(List.of("get companions"), LOOK));
      assertThat(reads(scene, "PodDisruptionBudget", "agent-nodes"))
          .isEqualTo(all(List.of("get companions"), LOOK));

      scene.hold("rebuild");
      // A new one closes the budgets after the first round, before anything else is read.
      assertThat(reads(scene, "Hold", "rebuild")).isEqualTo(all(IN_NAMESPACE, REST));
      assertThat(reads(scene, "Hold", "rebuild")).isEqualTo(all(IN_NAMESPACE, REST));
      scene.release("rebuild");
      // Kubernetes' counting makes a new version, and that one more read.
      scene.awaitAllowed("agent-nodes", 0);
      scene.awaitAllowed("agent-pods", 0);
      // After an opening, everything once more.
      assertThat(reads(scene, "Hold", "rebuild")).isEqualTo(all(IN_NAMESPACE, REST, LOOK));

      assertThat(reads(scene, "Node", scene.node(1))).isEqualTo(all(ON_NODE, LOOK));
      // One that is not the target's.
      assertThat(reads(scene, "Node", "another")).isEqualTo(ON_NODE);
      // A node that is said to be gone: its pods, and whether it is still there.
      assertThat(reads(() -> chaperone.deleted("Node", "", scene.node(1))))
          .isEqualTo(all(ON_NODE, LOOK, List.of("list nodes", "list pods")));
      cordon(scene, 1, true);
      // A cordoned node: its pods.
      assertThat(reads(scene, "Companion", "agent")).isEqualTo(all(LOOK, List.of("list pods")));
      assertThat(reads(scene, "Node", scene.node(1)))
          .isEqualTo(all(ON_NODE, LOOK, List.of("list pods")));
      cordon(scene, 1, false);
      assertThat(reads(scene, "Companion", "agent")).isEqualTo(LOOK);
    }
  }

  /// From its own event to its guard: as many pages as there are lists.
  @ParameterizedTest
  @ValueSource(ints = {5, 100})
  void a_new_node_costs_the_same_in_a_cluster_of_any_size(int nodes) {
    try (Scene scene = new Scene(chaperone, "new-" + nodes, nodes).withCompanion("{}")) {
      scene.awaitPods("target", nodes);
      scene.awaitPods("follower", nodes);
      scene.pulseUntilGuarded();
      scene.settle();
      scene.addNode(nodes + 1);
      scene.awaitPods("target", nodes + 1);
      scene.awaitPods("follower", nodes + 1);

      // Its guard is wanted.
      assertThat(reads(() -> chaperone.added("Node", "", scene.node(nodes + 1))))
          .isEqualTo(all(ON_NODE, LOOK, STARTING, ONE_MORE));
      awaitGuards(scene, DeploymentStatus::getReplicas, nodes + 1);
      // It is bound.
      assertThat(reads(scene, "Pod", "any")).isEqualTo(all(WHICH, LOOK, ONE_MORE));
      awaitGuards(scene, DeploymentStatus::getReadyReplicas, nodes + 1);
      // It runs.
      assertThat(reads(scene, "Pod", "any")).isEqualTo(all(WHICH, LOOK, ONE_MORE));
      assertThat(reads(scene, "Pod", "any")).isEqualTo(all(WHICH, LOOK));
      // Or it would be among the new ones of the next cluster.
      chaperone.deleted("Node", "", scene.node(nodes + 1));
    }
  }

  @Test
  void what_the_lists_of_a_resync_show_is_written_after_one_read_more() {
    try (Scene scene = new Scene(chaperone, "cost-resync", 1).withCompanion("{}")) {
      scene.pulseUntilGuarded();
      scene.settle();
      scene.companionWithoutTarget("other");
      chaperone.pulse();
      List<String> lists = reads(chaperone::pulse);

      scene.hold("rebuild");
      assertThat(reads(chaperone::pulse)).isEqualTo(all(lists, List.of("get companions")));

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
      scene.awaitAllowed("agent-nodes", 0);
      scene.awaitAllowed("agent-pods", 0);
      assertThat(reads(chaperone::pulse)).isEqualTo(lists);

      // What opens is looked at, and then once more.
      scene.release("rebuild");
      assertThat(reads(chaperone::pulse)).isEqualTo(all(lists, LOOK, LOOK));
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
    }
  }

  @Test
  void many_events_for_one_companion_share_what_they_cost() throws Exception {
    try (Scene scene = new Scene(chaperone, "shared", 3).withCompanion("{}")) {
      scene.pulseUntilGuarded();
      scene.settle();
      int before = chaperone.settledCalls().size();

      CountDownLatch together = new CountDownLatch(SENDERS);
      try (var senders = Executors.newFixedThreadPool(SENDERS)) {
        List<Future<List<Integer>>> answers = new ArrayList<>();
        for (int sender = 0; sender < SENDERS; sender++) {
          answers.add(
              senders.submit(
                  () -> {
                    together.countDown();
                    together.await();
                    return Stream.generate(
                            () -> chaperone.changed("DaemonSet", scene.name, "target").statusCode())
                        .limit(EVENTS / SENDERS)
                        .toList();
                  }));
        }
        for (Future<List<Integer>> answer : answers) {
          assertThat(answer.get()).containsOnly(204);
        }
      }

      List<ApiCall> calls = chaperone.settledCalls().stream().skip(before).toList();
      assertThat(calls).allMatch(call -> READS.contains(call.verb()));
      long runs = calls.stream().filter(it -> it.resource().equals("deployments")).count();
      assertThat(runs).isLessThanOrEqualTo(EVENTS / SHARED);
    }
  }

  private void awaitGuards(Scene scene, Function<DeploymentStatus, Integer> counted, int guards) {
    await("guards")
        .atMost(Scene.LONG)
        .until(
            () -> {
              var all = chaperone.lab().client().apps().deployments().inNamespace(scene.name);
              return counted.apply(all.withName("agent-guards").get().getStatus());
            },
            Integer.valueOf(guards)::equals);
  }

  /// What one event reads, sorted.
  private List<String> reads(Scene scene, String kind, String name) {
    String namespace = kind.equals("Node") ? "" : scene.name;
    return reads(() -> chaperone.changed(kind, namespace, name));
  }

  private List<String> reads(Supplier<HttpResponse<String>> event) {
    int before = chaperone.settledCalls().size();
    assertThat(event.get().statusCode()).isLessThan(300);
    List<ApiCall> calls = chaperone.settledCalls().stream().skip(before).toList();
    List<String> reads =
        calls.stream()
            .filter(call -> READS.contains(call.verb()))
            .filter(call -> !call.resource().equals("pingsources"))
            .map(call -> call.verb() + " " + call.resource())
            .sorted()
            .collect(Collectors.toCollection(ArrayList::new));
    // Each write that met a version in which Kubernetes had only counted takes one more.
    calls.stream()
        .filter(call -> call.code() == CONFLICT && !READS.contains(call.verb()))
        .forEach(call -> reads.remove("get " + call.resource()));
    return reads;
  }

  @SafeVarargs
  private static List<String> all(List<String>... reads) {
    List<String> all = new ArrayList<>();
    for (List<String> some : reads) {
      all.addAll(some);
    }
    Collections.sort(all);
    return all;
  }

  private void cordon(Scene scene, int number, boolean unschedulable) {
    chaperone
        .lab()
        .client()
        .nodes()
        .withName(scene.node(number))
        .edit(
            node ->
                new NodeBuilder(node)
                    .editOrNewSpec()
                    .withUnschedulable(unschedulable)
                    .endSpec()
                    .build());
  }
}
