package dev.chaperone.it;

import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.autoscaler.Karpenter;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/// A NodePool of Karpenter, work for which it makes three nodes, each in a zone of its own, and
/// target and follower on these.
final class KarpenterScene implements AutoCloseable {
  static final Duration LONG = Duration.ofMinutes(5);

  /// Twice as long as Karpenter takes from one look to the next.
  private static final Duration TWO_LOOKS = Duration.ofSeconds(30);

  private static final int NODES = 3;

  /// Why Karpenter takes nodes away.
  @SuppressWarnings("ImmutableEnumChecker") // its record is immutable
  enum Cause {
    /// Two of the three nodes have no more work.
    CONSOLIDATION(new Seen(2, 0, 0, 2), "Never", ""),
    /// The nodes are no longer as the NodePool says.
    DRIFT(new Seen(3, 0, 0, 3), "Never", ""),
    /// The nodes are too old, for which Karpenter makes no new ones before.
    EXPIRY(new Seen(3, 3, 3, 3), "150s", ""),
    /// Two of the three nodes have no more work, and somebody deletes the NodeClaim of one.
    DELETION_OF_ONE(new Seen(1, 1, 0, 1), "Never", ""),
    /// There is no more work, and somebody deletes all NodeClaims. For the guards, which Karpenter
    /// takes for work that needs another place, it makes one node.
    DELETION_OF_ALL(new Seen(3, 3, 1, 3), "Never", ""),
    /// Somebody deletes the NodeClaims, and Karpenter waits only so long.
    DELETION_WITH_GRACE(new Seen(3, 3, 3, 3), "Never", "20s");

    private final Seen whileHeld;
    private final String expireAfter;
    private final String gracePeriod;

    Cause(Seen whileHeld, String expireAfter, String gracePeriod) {
      this.whileHeld = whileHeld;
      this.expireAfter = expireAfter;
      this.gracePeriod = gracePeriod;
    }

    Seen whileHeld() {
      return whileHeld;
    }
  }

  /// What Karpenter has done while something blocked.
  ///
  /// @param blocked nodes of which it said that a budget blocks their disruption or their drain
  /// @param begun nodes that it has begun to empty
  /// @param launched nodes that it has made besides
  /// @param guarded nodes whose guard runs
  record Seen(int blocked, int begun, int launched, int guarded) {}

  private final Lab lab;
  private final KubernetesClient client;
  private final Scene scene;
  private final String name;
  private final Cause cause;
  private Set<String> made = Set.of();
  private int working = NODES;

  KarpenterScene(Installation chaperone, String name, Cause cause) {
    this.lab = chaperone.lab();
    this.client = lab.client();
    this.name = "%s-%s".formatted(name, cause.name().toLowerCase(Locale.ROOT).replace('_', '-'));
    this.scene = new Scene(chaperone, this.name, 0);
    this.cause = cause;
    scene.daemonSet("target", "{pool: %s}".formatted(this.name));
    scene.daemonSet("follower", "{pool: %s}".formatted(this.name));
  }

  void usePolicies(boolean use) {
    if (!use) {
      lab.kubectl("label", "namespace", name, "chaperone.dev/break-glass=true").orFail();
    }
  }

  void companion(String disruption) {
    scene.companion(disruption);
  }

  void hold(String hold) {
    scene.hold(hold);
  }

  void holdNode(String hold, String node) {
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: %s, namespace: %s}
        spec: {companionRef: {name: agent}, reason: a test, nodeName: %s}
        """
            .formatted(hold, name, node));
  }

  void awaitEnforced(String hold) {
    scene.awaitEnforced(hold);
  }

  void release(String hold) {
    scene.release(hold);
  }

  /// Returns when all nodes are there, with the work on them.
  void start() {
    lab.apply(nodePool("\"1\""));
    lab.apply(
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: work, namespace: %1$s}
        spec:
          replicas: %2$d
          selector: {matchLabels: {app: work}}
          template:
            metadata: {labels: {app: work}}
            spec:
              nodeSelector: {pool: %1$s}
              terminationGracePeriodSeconds: 1
              topologySpreadConstraints:
              - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: work}}}
              containers: [{name: main, image: none, resources: {requests: {cpu: 100m}}}]
        """
            .formatted(name, NODES));
    await("three nodes with work")
        .atMost(LONG)
        .until(
            () ->
                scene.runningPods("work").size() == NODES
                    && scene.runningPods("target").size() == NODES);
    made = nodes();
  }

  private String nodePool(String version) {
    String grace =
        cause.gracePeriod.isEmpty() ? "" : "terminationGracePeriod: " + cause.gracePeriod;
    return """
    apiVersion: karpenter.sh/v1
    kind: NodePool
    metadata: {name: %1$s}
    spec:
      disruption: {consolidationPolicy: WhenEmptyOrUnderutilized, consolidateAfter: 1s, budgets: [{nodes: "100%%"}]}
      template:
        metadata: {labels: {pool: %1$s, version: %2$s}}
        spec:
          nodeClassRef: %3$s
          expireAfter: %4$s
          requirements:
          - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand]}
          - {key: node.kubernetes.io/instance-type, operator: In, values: [s-2x-amd64-linux]}
          - {key: topology.kubernetes.io/zone, operator: In, values: %5$s}
          %6$s
    """
        .formatted(name, version, Karpenter.NODE_CLASS, cause.expireAfter, Karpenter.ZONES, grace);
  }

  void awaitEveryNodeGuarded() {
    await("a guard on each node").atMost(LONG).until(() -> scene.guardedNodes().equals(nodes()));
  }

  Set<String> nodes() {
    return nodeList().stream()
        .map(it -> it.getMetadata().getName())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private List<Node> nodeList() {
    return client.nodes().withLabel("pool", name).list().getItems();
  }

  Set<String> zones(Set<String> nodes) {
    return nodeList().stream()
        .filter(it -> nodes.contains(it.getMetadata().getName()))
        .map(it -> it.getMetadata().getLabels().get("topology.kubernetes.io/zone"))
        .collect(Collectors.toSet());
  }

  /// The nodes that run the target without a guard. Not those that have lost the target's pod too:
  /// Karpenter deletes them next, and the DaemonSet controller no longer counts them.
  List<String> out() {
    // Guards first: whoever has a target pod afterwards had it then.
    Set<String> guarded = scene.guardedNodes();
    return client.pods().inNamespace(name).withLabel("app", "target").list().getItems().stream()
        .filter(Scene::isReady)
        .map(it -> it.getSpec().getNodeName())
        .filter(it -> !guarded.contains(it))
        .toList();
  }

  /// The node whose work stays when there is less of it.
  private Pod busiest() {
    return client.pods().inNamespace(name).withLabel("app", "work").list().getItems().stream()
        .min((a, b) -> a.getMetadata().getName().compareTo(b.getMetadata().getName()))
        .orElseThrow();
  }

  /// The nodes that will have no work.
  List<String> idleNodes() {
    String busy = busiest().getSpec().getNodeName();
    return nodes().stream().filter(it -> !it.equals(busy)).toList();
  }

  void giveCause() {
    switch (cause) {
      case CONSOLIDATION -> keepBusiest();
      case DELETION_OF_ONE -> {
        Set<String> one = affected();
        keepBusiest();
        deleteClaims(one);
      }
      case DELETION_OF_ALL -> {
        work(0);
        deleteClaims(made);
      }
      case DRIFT -> lab.apply(nodePool("\"2\""));
      case EXPIRY -> {
        // It is only a matter of time.
      }
      case DELETION_WITH_GRACE -> deleteClaims(made);
    }
  }

  private void keepBusiest() {
    lab.kubectl(
            "annotate",
            "pod",
            busiest().getMetadata().getName(),
            "-n",
            name,
            "controller.kubernetes.io/pod-deletion-cost=100",
            "karpenter.sh/do-not-disrupt=true")
        .orFail();
    work(1);
  }

  private void work(int replicas) {
    lab.kubectl("scale", "deployment", "work", "-n", name, "--replicas=" + replicas).orFail();
    await(replicas + " pods of work")
        .atMost(LONG)
        .until(() -> scene.runningPods("work").size() == replicas);
    working = replicas;
  }

  /// Deletes the NodeClaims of these nodes, which the provider names their hosts after.
  private void deleteClaims(Set<String> nodes) {
    nodeList().stream()
        .filter(it -> nodes.contains(it.getMetadata().getName()))
        .map(it -> it.getMetadata().getLabels().get("kubernetes.io/hostname"))
        .forEach(it -> lab.kubectl("delete", "nodeclaim", it, "--wait=false").orFail());
  }

  /// The nodes that Karpenter has a cause to take away.
  Set<String> affected() {
    return switch (cause) {
      case CONSOLIDATION -> new TreeSet<>(idleNodes());
      case DELETION_OF_ONE -> Set.of(idleNodes().getFirst());
      case DRIFT, EXPIRY, DELETION_OF_ALL, DELETION_WITH_GRACE -> made;
    };
  }

  /// Waits until Karpenter has taken these nodes away, and all work runs.
  void awaitGone(Set<String> affected) {
    await("Karpenter to take away " + affected)
        .atMost(LONG)
        .until(
            () ->
                nodes().stream().noneMatch(affected::contains)
                    && scene.runningPods("work").size() == working);
  }

  /// What Karpenter has done of these nodes, when it has looked at them twice.
  Seen awaitSeen(Set<String> affected) {
    await("Karpenter to do what it does")
        .atMost(LONG)
        .until(
            () -> {
              Seen seen = seen(affected);
              return seen.blocked() == affected.size()
                  && seen.launched() == cause.whileHeld.launched();
            });
    await("two more looks").pollDelay(TWO_LOOKS).atMost(LONG).until(() -> true);
    return seen(affected);
  }

  private Seen seen(Set<String> affected) {
    List<Node> nodes = nodeList();
    Set<String> blocked =
        client.v1().events().inAnyNamespace().list().getItems().stream()
            .filter(
                it ->
                    it.getReason().equals("FailedDraining")
                        || (it.getReason().equals("DisruptionBlocked")
                            && it.getMessage().contains(name + "/agent-")))
            .map(it -> it.getInvolvedObject().getName())
            .filter(affected::contains)
            .collect(Collectors.toSet());
    Set<String> guarded = scene.guardedNodes();
    return new Seen(
        blocked.size(),
        (int)
            nodes.stream()
                .filter(it -> affected.contains(it.getMetadata().getName()))
                .filter(KarpenterScene::isBeingEmptied)
                .count(),
        launched().size(),
        (int) affected.stream().filter(guarded::contains).count());
  }

  /// Nodes that Karpenter has made since the start.
  Set<String> launched() {
    Set<String> launched = nodes();
    launched.removeAll(made);
    return launched;
  }

  private static boolean isBeingEmptied(Node node) {
    return node.getMetadata().getDeletionTimestamp() != null
        || Optional.ofNullable(node.getSpec().getTaints()).orElse(List.of()).stream()
            .map(Taint::getKey)
            .anyMatch("karpenter.sh/disrupted"::equals);
  }

  @Override
  public void close() {
    client.namespaces().withName(name).delete();
    lab.kubectl("delete", "nodepool", name, "--wait=false");
    lab.kubectl("delete", "nodeclaims", "-l", "pool=" + name, "--wait=false");
    scene.close();
  }
}
