package dev.chaperone.it;

import static dev.chaperone.lab.PodEviction.PASSED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.Hold;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.PodEviction;
import dev.chaperone.lab.nodes.NodeLab;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.start.ColdStarts;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;

/// A namespace on real nodes for one test: a target on some of them, a follower on all workers, and
/// a Companion for them. At the end every node is as it was.
final class RealScene implements AutoCloseable {
  /// Two beats of the pulse, a cold start for each, and a busy machine.
  static final Duration LONG = Duration.ofMinutes(4);

  private final NodeLab nodes;
  private final Lab lab;
  private final KubernetesClient client;
  private final String name;

  RealScene(NodeLab nodes, String name) {
    this.nodes = nodes;
    this.lab = nodes.lab();
    this.client = lab.client();
    this.name = name;
    lab.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}".formatted(name));
    awaitSource();
  }

  /// Knative replaces the source's adapter for each new namespace. Until that is done, nobody tells
  /// the functions what happens there.
  private void awaitSource() {
    await("a source that looks into " + name)
        .atMost(LONG)
        .until(
            () ->
                List.of(
                        lab.kubectl(
                                "get",
                                "apiserversource",
                                "chaperone",
                                "-n",
                                "chaperone",
                                "-o",
                                "jsonpath={.status.namespaces[*]}")
                            .out()
                            .split(" ", -1))
                    .contains(name));
    lab.kubectl(
            "rollout",
            "status",
            "deployment",
            "-l",
            "eventing.knative.dev/sourceName=chaperone",
            "-n",
            "chaperone",
            "--timeout=100s")
        .orFail();
  }

  String name() {
    return name;
  }

  NodeLab nodes() {
    return nodes;
  }

  /// The target on these workers, and the rest.
  RealScene withCompanion(String... workers) {
    return withCompanion(Duration.ZERO, workers);
  }

  /// The same, with a target whose pods take that long to end.
  RealScene withCompanion(Duration end, String... workers) {
    return withCompanion(end, "", "{}", workers);
  }

  /// The same, with a target whose pods are not ready while their process hangs.
  ///
  /// @param disruption YAML of spec.disruption
  RealScene withProbedTarget(String disruption, String... workers) {
    String probe = "readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1, timeoutSeconds: 2}";
    return withCompanion(Duration.ZERO, probe, disruption, workers);
  }

  private RealScene withCompanion(
      Duration end, String probe, String disruption, String... workers) {
    for (String worker : workers) {
      lab.kubectl("label", "node", worker, "pool=" + name, "--overwrite").orFail();
    }
    daemonSet("target", "{pool: %s}".formatted(name), end, probe);
    daemonSet("follower", "{}", Duration.ZERO, "");
    lab.apply(
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
    return this;
  }

  private void daemonSet(String daemonSet, String nodeSelector, Duration end, String probe) {
    lab.apply(
        """
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: %1$s, namespace: %2$s}
        spec:
          selector: {matchLabels: {app: %1$s}}
          updateStrategy: {rollingUpdate: {maxUnavailable: 100%%}}
          template:
            metadata: {labels: {app: %1$s}}
            spec:
              nodeSelector: %3$s
              terminationGracePeriodSeconds: %5$d
              containers:
              - name: main
                image: "%4$s"
                args: [serve]
                env: [{name: GRACE, value: %6$ds}]
                %7$s
        """
            .formatted(
                daemonSet,
                name,
                nodeSelector,
                NodeLab.POD_IMAGE,
                end.toSeconds() + 1,
                end.toSeconds(),
                probe));
  }

  void hold(String hold) {
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: %s, namespace: %s}
        spec: {companionRef: {name: agent}, reason: a test}
        """
            .formatted(hold, name));
  }

  /// A drain of node-1 that waits for the Hold `rebuild`, begun when these nodes were guarded.
  Kubectl heldDrainOfNode1(String... guarded) {
    awaitGuarded(guarded);
    hold("rebuild");
    awaitEnforced("rebuild");
    Kubectl drain = drain("node-1");
    Scene.awaitHeld(drain);
    return drain;
  }

  void release(String hold) {
    lab.kubectl("delete", "hold", hold, "-n", name).orFail();
  }

  void awaitEnforced(String hold) {
    awaitHold(hold, "Enforced", "True");
  }

  /// The condition of a Hold, once it has this status.
  Condition awaitHold(String hold, String type, String status) {
    return await(hold + " " + type + " " + status)
        .atMost(LONG)
        .until(
            () ->
                Optional.ofNullable(
                        client.resources(Hold.class).inNamespace(name).withName(hold).get())
                    .flatMap(it -> Optional.ofNullable(it.getStatus()))
                    .flatMap(it -> find(it.conditions(), type))
                    .filter(it -> it.getStatus().equals(status))
                    .orElse(null),
            Objects::nonNull);
  }

  Condition awaitCondition(String type, String status) {
    return awaitCondition(type, status, Condition::getStatus);
  }

  Condition awaitReason(String type, String reason) {
    return awaitCondition(type, reason, Condition::getReason);
  }

  private Condition awaitCondition(String type, String value, Function<Condition, String> of) {
    return await(type + " " + value)
        .atMost(LONG)
        .until(
            () -> condition(type).filter(it -> of.apply(it).equals(value)).orElse(null),
            Objects::nonNull);
  }

  Optional<Condition> condition(String type) {
    return status().flatMap(it -> find(it.conditions(), type));
  }

  Optional<CompanionStatus> status() {
    return Optional.ofNullable(
            client.resources(Companion.class).inNamespace(name).withName("agent").get())
        .flatMap(it -> Optional.ofNullable(it.getStatus()));
  }

  private static Optional<Condition> find(List<Condition> conditions, String type) {
    return Optional.ofNullable(conditions).orElse(List.of()).stream()
        .filter(it -> it.getType().equals(type))
        .findFirst();
  }

  Kubectl drain(String node) {
    return lab.startKubectl(
        "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force");
  }

  void awaitPods(String app, String... on) {
    awaitOn("app", app, on);
  }

  void awaitGuarded(String... on) {
    awaitOn("app.kubernetes.io/component", "guard", on);
  }

  private void awaitOn(String label, String value, String... on) {
    Set<String> wanted = new TreeSet<>(Arrays.asList(on));
    await("pods %s=%s on %s".formatted(label, value, wanted))
        .atMost(LONG)
        .until(
            () ->
                client.pods().inNamespace(name).withLabel(label, value).list().getItems().stream()
                    .filter(Scene::isReady)
                    .map(pod -> pod.getSpec().getNodeName())
                    .collect(Collectors.toCollection(TreeSet::new))
                    .equals(wanted));
  }

  List<Pod> pods(String app) {
    return client.pods().inNamespace(name).withLabel("app", app).list().getItems();
  }

  /// The pod of the target on a node.
  Pod targetOn(String node) {
    return pods("target").stream()
        .filter(it -> node.equals(it.getSpec().getNodeName()))
        .findFirst()
        .orElseThrow();
  }

  /// The guards there are, in whatever phase.
  List<Pod> guards() {
    return client
        .pods()
        .inNamespace(name)
        .withLabel("app.kubernetes.io/component", "guard")
        .list()
        .getItems();
  }

  /// Those on a node.
  List<Pod> guardsOn(String node) {
    return guards().stream().filter(it -> node.equals(it.getSpec().getNodeName())).toList();
  }

  /// The nodes whose guard would be evicted.
  Set<String> passing() {
    return guards().stream()
        .filter(Scene::isReady)
        .filter(it -> PodEviction.dryRun(client, name, it.getMetadata().getName()) == PASSED)
        .map(it -> it.getSpec().getNodeName())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /// A pod as it is now; nothing if it is gone.
  Optional<Pod> seen(Pod pod) {
    return Optional.ofNullable(client.resource(pod).get())
        .filter(it -> it.getMetadata().getUid().equals(pod.getMetadata().getUid()));
  }

  /// Whether both budgets let nothing go.
  boolean closed() {
    return List.of("agent-nodes", "agent-pods").stream()
        .map(
            budget ->
                client.policy().v1().podDisruptionBudget().inNamespace(name).withName(budget).get())
        .allMatch(
            it ->
                it != null
                    && it.getSpec().getMinAvailable() != null
                    && Integer.valueOf(Integer.MAX_VALUE)
                        .equals(it.getSpec().getMinAvailable().getIntVal()));
  }

  void awaitOpen() {
    await("open budgets").atMost(LONG).until(() -> !closed());
  }

  /// Waits until Knative has let the functions go.
  void awaitAsleep() {
    await("no pod of the functions").atMost(LONG).until(() -> ColdStarts.pods(lab).isEmpty());
  }

  /// Wakes the functions, and returns their pod once it is Ready.
  Pod wake() {
    lab.kubectl(
            "annotate",
            "companion",
            "agent",
            "-n",
            name,
            "--overwrite",
            "touched=" + System.nanoTime())
        .orFail();
    return await("a pod of the functions")
        .atMost(LONG)
        .until(
            () -> ColdStarts.pods(lab).stream().filter(Scene::isReady).findFirst().orElse(null),
            Objects::nonNull);
  }

  /// The id of the JVM of a pod of the functions, for this machine's kernel.
  static long jvm(Pod pod) {
    return process(pod, "java");
  }

  /// The same of any process of a pod.
  ///
  /// @param program the beginning of its command line
  static long process(Pod pod, String program) {
    return ProcessHandle.allProcesses()
        .map(ProcessHandle::pid)
        .filter(
            pid ->
                read(pid, "cgroup").contains(pod.getMetadata().getUid())
                    && read(pid, "cmdline").replace('\0', ' ').startsWith(program))
        .findFirst()
        .orElseThrow(
            () -> new AssertionError("No " + program + " in " + pod.getMetadata().getName()));
  }

  /// What this machine's kernel says of a process; nothing if it ended.
  static String read(long process, String file) {
    try {
      return Files.readString(Path.of("/proc", Long.toString(process), file));
    } catch (IOException _) {
      return "";
    }
  }

  /// Sends a process a signal, such as STOP, with which it hangs, or CONT.
  static void signal(String signal, long process) {
    try {
      int exit = new ProcessBuilder("kill", "-" + signal, Long.toString(process)).start().waitFor();
      assertThat(exit).isZero();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError("Interrupted while sending a signal", e);
    }
  }

  @Override
  public void close() {
    nodes.workers().forEach(it -> lab.kubectl("uncordon", it.name()));
    lab.kubectl("label", "nodes", "--all", "pool-").orFail();
    lab.kubectl("delete", "namespace", name, "--timeout=90s");
  }
}
