package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Companion;
import dev.chaperone.lab.Budgets;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.readiness.Readiness;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// A namespace and nodes of its own for one test: a target on all these nodes, a follower, and a
/// Companion for them.
final class Scene implements AutoCloseable {
  /// Long enough for a busy machine; nothing is asserted about how long it took.
  static final Duration LONG = Duration.ofMinutes(2);

  static final Duration HALF_A_SECOND = Duration.ofMillis(500);

  private final Installation chaperone;
  private final Lab lab;
  private final KubernetesClient client;
  final String name;

  Scene(Installation chaperone, String name, int nodes) {
    this.chaperone = chaperone;
    this.lab = chaperone.lab();
    this.client = lab.client();
    this.name = name;
    apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}".formatted(name));
    IntStream.rangeClosed(1, nodes).forEach(this::addNode);
  }

  String node(int number) {
    return name + "-" + number;
  }

  void addNode(int number) {
    lab.addNode(node(number), Map.of("pool", name));
  }

  void deleteNode(int number) {
    client.nodes().withName(node(number)).delete();
  }

  /// The target on the nodes of this scene, a follower, and the Companion.
  ///
  /// @param disruption YAML of spec.disruption
  Scene withCompanion(String disruption) {
    daemonSet("target", "{pool: %s}".formatted(name));
    daemonSet("follower", "{}");
    companion(disruption);
    return this;
  }

  void daemonSet(String daemonSet, String nodeSelector) {
    lab.addDaemonSet(name, daemonSet, nodeSelector);
  }

  void companion(String disruption) {
    apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: agent, namespace: %s}
        spec:
          targetRef: {name: target}
          followerRef: {name: follower}
          disruption: %s
        """
            .formatted(name, disruption));
  }

  /// Changes the Companion.
  ///
  /// @param patch JSON, merged into it
  void patchCompanion(String patch) {
    lab.kubectl("patch", "companion", "agent", "-n", name, "--type=merge", "-p", patch).orFail();
  }

  /// A Companion of this name for the target alone.
  void companionOfTarget(String companion) {
    companion(companion, "target");
  }

  /// A Companion of this name whose target does not exist.
  void companionWithoutTarget(String companion) {
    companion(companion, "none");
  }

  private void companion(String companion, String target) {
    apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: %s, namespace: %s}
        spec: {targetRef: {name: %s}}
        """
            .formatted(companion, name, target));
  }

  void hold(String hold) {
    apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: %s, namespace: %s}
        spec: {companionRef: {name: agent}, reason: a test}
        """
            .formatted(hold, name));
  }

  void hold(String hold, Instant expiresAt) {
    apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: %s, namespace: %s}
        spec: {companionRef: {name: agent}, reason: a test, expiresAt: "%s"}
        """
            .formatted(hold, name, expiresAt));
  }

  /// A Hold of one node.
  void holdNode(String hold, int number) {
    holdNodes(hold, "nodeName: " + node(number));
  }

  /// A Hold of some nodes.
  void holdNodes(String hold, String which) {
    apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: %s, namespace: %s}
        spec: {companionRef: {name: agent}, reason: a test, %s}
        """
            .formatted(hold, name, which));
  }

  void awaitEnforced(String hold) {
    lab.kubectl("wait", "--for=condition=Enforced", "hold/" + hold, "-n", name, "--timeout=90s")
        .orFail();
  }

  void release(String hold) {
    lab.kubectl("delete", "hold", hold, "-n", name).orFail();
  }

  void apply(String yaml) {
    lab.apply(yaml);
  }

  /// Taints nodes, and waits until the DaemonSet has counted its pods there as misscheduled. Of a
  /// taint alone Kubernetes takes no notice there (syncNodeUpdate, 1.34 to 1.37); of any change to
  /// the DaemonSet it does.
  void taint(String daemonSet, Integer... numbers) {
    for (int number : numbers) {
      lab.kubectl("taint", "node", node(number), "maintenance=:NoSchedule").orFail();
    }
    await("misscheduled pods of " + daemonSet)
        .atMost(LONG)
        .pollInterval(HALF_A_SECOND)
        .until(
            () -> {
              recount(daemonSet);
              return daemonSet(daemonSet).getStatus().getNumberMisscheduled() == numbers.length;
            });
  }

  /// Makes Kubernetes count the DaemonSet's nodes anew, on what it then knows of them: ask again
  /// until it knows.
  void recount(String daemonSet) {
    lab.kubectl(
            "annotate",
            "daemonset",
            daemonSet,
            "-n",
            name,
            "--overwrite",
            "touched=" + System.nanoTime())
        .orFail();
  }

  /// Waits until Kubernetes has counted the target's nodes for its present spec.
  void awaitCounted() {
    await("the DaemonSet controller")
        .atMost(LONG)
        .until(
            () -> {
              DaemonSet target = daemonSet("target");
              return target
                  .getMetadata()
                  .getGeneration()
                  .equals(target.getStatus().getObservedGeneration());
            });
  }

  DaemonSet daemonSet(String daemonSet) {
    return client.apps().daemonSets().inNamespace(name).withName(daemonSet).get();
  }

  /// Starts a real drain.
  Kubectl drain(int number) {
    return lab.startKubectl("drain", node(number), "--ignore-daemonsets", "--timeout=300s");
  }

  /// Waits until the node says that its drain is blocked, and why.
  void awaitDrainBlocked(int number, String why) {
    await("a word on the node")
        .atMost(LONG)
        .untilAsserted(
            () ->
                assertThat(lab.kubectl("describe", "node", node(number)).out())
                    .contains("DrainBlocked")
                    .contains(why));
  }

  void awaitCordoned(int number) {
    await(node(number) + " cordoned")
        .atMost(LONG)
        .until(
            () ->
                Boolean.TRUE.equals(
                    client.nodes().withName(node(number)).get().getSpec().getUnschedulable()));
  }

  void uncordon(int number) {
    lab.kubectl("uncordon", node(number)).orFail();
  }

  /// Waits until a drain has met the budget.
  static void awaitHeld(Kubectl drain) {
    await()
        .atMost(LONG)
        .until(
            () ->
                (drain.err() + drain.out()).contains("would violate the pod's disruption budget"));
    if (!drain.isRunning()) {
      throw new AssertionError("the drain was held and ended: " + drain.err() + drain.out());
    }
  }

  List<Pod> guards() {
    return client
        .pods()
        .inNamespace(name)
        .withLabel("app.kubernetes.io/component", "guard")
        .list()
        .getItems();
  }

  /// Nodes of the guards that run.
  Set<String> guardedNodes() {
    return guards().stream()
        .filter(Scene::isReady)
        .map(pod -> pod.getSpec().getNodeName())
        .filter(Objects::nonNull)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  static boolean isReady(Pod pod) {
    return pod.getMetadata().getDeletionTimestamp() == null && Readiness.isPodReady(pod);
  }

  void awaitGuarded(Integer... numbers) {
    Set<String> nodes =
        Arrays.stream(numbers).map(this::node).collect(Collectors.toCollection(TreeSet::new));
    await("guards on " + nodes)
        .atMost(LONG)
        .untilAsserted(() -> assertThat(guardedNodes()).isEqualTo(nodes));
  }

  /// Pulses until every node that runs a target pod has its guard, and the status says so.
  void pulseUntilGuarded() {
    await("every guard")
        .atMost(LONG)
        .untilAsserted(
            () -> {
              chaperone.pulse();
              assertThat(condition("Guarded"))
                  .as(message("Guarded"))
                  .isEqualTo("True EveryNodeGuarded");
              assertThat(guardedNodes()).isNotEmpty().hasSameSizeAs(runningPods("target"));
            });
  }

  /// Pulses until there is nothing to do, with no Companion there but this one: a namespace that
  /// goes takes its time, and what is still in it is looked at as well.
  void settle() {
    client.resources(Companion.class).inAnyNamespace().list().getItems().stream()
        .filter(it -> !it.getMetadata().getNamespace().equals(name))
        .forEach(it -> client.resource(it).delete());
    await("nothing to do")
        .atMost(LONG)
        .pollInterval(HALF_A_SECOND)
        .until(
            () -> {
              int before = chaperone.writes().size();
              chaperone.pulse();
              return chaperone.writes().size() == before
                  && client.resources(Companion.class).inAnyNamespace().list().getItems().size()
                      == 1;
            });
  }

  PodDisruptionBudget budget(String budget) {
    return client.policy().v1().podDisruptionBudget().inNamespace(name).withName(budget).get();
  }

  /// Waits until Kubernetes itself says how many may go.
  void awaitAllowed(String budget, int disruptions) {
    await(budget + " allows " + disruptions)
        .atMost(LONG)
        .untilAsserted(
            () ->
                assertThat(allowed(budget))
                    .as(() -> String.valueOf(budget(budget)))
                    .contains(disruptions));
  }

  /// How many disruptions a budget allows; nothing while Kubernetes has not counted for its spec.
  Optional<Integer> allowed(String budget) {
    return Budgets.allowed(budget(budget));
  }

  List<String> runningPods(String app) {
    return client.pods().inNamespace(name).withLabel("app", app).list().getItems().stream()
        .filter(Scene::isReady)
        .map(pod -> pod.getMetadata().getName())
        .toList();
  }

  void awaitPods(String app, int count) {
    await(count + " pods of " + app).atMost(LONG).until(() -> runningPods(app).size() == count);
  }

  /// Waits until the DaemonSet is placed by Chaperone, and all its pods are of that placement.
  void awaitRolledOut(String daemonSet) {
    awaitCondition("Placed", "True FollowsTarget");
    lab.kubectl("rollout", "status", "daemonset/" + daemonSet, "-n", name, "--timeout=120s")
        .orFail();
  }

  Companion companion() {
    return client.resources(Companion.class).inNamespace(name).withName("agent").get();
  }

  /// `status Reason` of a condition, or nothing while there is none.
  String condition(String type) {
    return find(type).map(it -> it.getStatus() + " " + it.getReason()).orElse("");
  }

  /// What a condition says, or nothing while there is none.
  String message(String type) {
    return find(type).map(Condition::getMessage).orElse("");
  }

  private Optional<Condition> find(String type) {
    return Optional.ofNullable(companion().getStatus())
        .flatMap(
            status ->
                Optional.ofNullable(status.conditions()).orElse(List.of()).stream()
                    .filter(it -> it.getType().equals(type))
                    .findFirst());
  }

  void awaitCondition(String type, String statusAndReason) {
    await(type + " " + statusAndReason)
        .atMost(LONG)
        .untilAsserted(
            () -> assertThat(condition(type)).as(message(type)).isEqualTo(statusAndReason));
  }

  /// Tells of the Hold until the Companion says so.
  ///
  /// @param allowed status and reason
  void tellUntil(String hold, String allowed) {
    await(allowed)
        .atMost(LONG)
        .untilAsserted(
            () -> {
              chaperone.changed("Hold", name, hold);
              assertThat(condition("DisruptionAllowed")).isEqualTo(allowed);
            });
  }

  Installation chaperone() {
    return chaperone;
  }

  @Override
  public void close() {
    client.namespaces().withName(name).delete();
    client.nodes().withLabel("pool", name).delete();
  }
}
