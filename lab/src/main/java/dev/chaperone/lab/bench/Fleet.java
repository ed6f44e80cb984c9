package dev.chaperone.lab.bench;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.Chaperone;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.GenericKubernetesResourceList;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.ListOptionsBuilder;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodList;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetList;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.FilterWatchListDeletable;
import io.fabric8.kubernetes.client.dsl.NonNamespaceOperation;
import io.fabric8.kubernetes.client.dsl.PodResource;
import io.fabric8.kubernetes.client.dsl.Resource;
import io.fabric8.kubernetes.client.readiness.Readiness;
import java.net.HttpURLConnection;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// The cluster that both contenders find: a target and a follower DaemonSet, a Companion for them,
/// and as many nodes as are asked for.
final class Fleet {
  static final String CHAPERONE = "chaperone";
  static final String NAMESPACE = "storage";
  static final String TARGET = "storage-node";
  static final String COMPANION = "storage-agent";
  static final String NODES_BUDGET = COMPANION + "-nodes";
  static final String PODS_BUDGET = COMPANION + "-pods";
  static final String GUARDS = COMPANION + "-guards";
  static final String HOLD = "measured";

  /// As many calls at a time as a client makes that adds nodes.
  private static final int AT_A_TIME = 16;

  private static final int ATTEMPTS = 5;

  private static final Duration LONG = Duration.ofMinutes(5);

  /// A namespace with many Companions, each for a target of its own that has no node.
  static final String MANY = "many";

  static final int HOW_MANY = 20;
  static final int MORE_THAN_ALL = Integer.MAX_VALUE;

  private final Lab lab;
  private final KubernetesClient client;

  private Fleet(Lab lab) {
    this.lab = lab;
    this.client = lab.client();
  }

  /// Chaperone's resources and rights, and the DaemonSets, without nodes.
  static Fleet on(Lab lab) {
    Chaperone.installTypesAndRights(lab, Contender.home());
    lab.apply(Contender.home().resolve("lab/peer/rbac.yaml"));
    Fleet fleet = new Fleet(lab);
    lab.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}".formatted(NAMESPACE));
    lab.apply(daemonSet(TARGET, NAMESPACE, "{pool: storage}"));
    lab.apply(daemonSet(COMPANION, NAMESPACE, "{}"));
    return fleet;
  }

  Lab lab() {
    return lab;
  }

  void companion() {
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: %s, namespace: %s}
        spec: {targetRef: {name: %s}, followerRef: {name: %s}}
        """
            .formatted(COMPANION, NAMESPACE, TARGET, COMPANION));
  }

  /// Deletes it, and waits until everything that was made for it is gone.
  void deleteCompanion() {
    companions(NAMESPACE).withName(COMPANION).delete();
    // Goes with it anyway, but half a minute later where the garbage collector does not know that
    // kind yet.
    guards().delete();
    budgets().delete();
    Wait.until(
        "a namespace without guards and budgets",
        Storm.PATIENCE,
        () ->
            budgets().list().getItems().isEmpty()
                && guardPods()
                    .list(new ListOptionsBuilder().withLimit(1L).build())
                    .getItems()
                    .isEmpty(),
        () -> "some are left");
  }

  private NonNamespaceOperation<
          GenericKubernetesResource,
          GenericKubernetesResourceList,
          Resource<GenericKubernetesResource>>
      companions(String namespace) {
    return client
        .genericKubernetesResources("chaperone.dev/v1alpha1", "Companion")
        .inNamespace(namespace);
  }

  private FilterWatchListDeletable<Pod, PodList, PodResource> guardPods() {
    return client.pods().inNamespace(NAMESPACE).withLabel("app.kubernetes.io/component", "guard");
  }

  private NonNamespaceOperation<
          PodDisruptionBudget, PodDisruptionBudgetList, Resource<PodDisruptionBudget>>
      budgets() {
    return client.policy().v1().podDisruptionBudget().inNamespace(NAMESPACE);
  }

  /// Adds nodes of the target, all at once.
  void addNodes(int from, int to) {
    inParallel(from, to, number -> addNode(readyNode(node(number))));
  }

  /// On a busy machine the API server may answer too late, whether it has made the node or not.
  private void addNode(Node node) {
    for (int attempt = 1; ; attempt++) {
      try {
        client.resource(node).create();
        return;
      } catch (KubernetesClientException e) {
        if (attempt > 1 && e.getCode() == HttpURLConnection.HTTP_CONFLICT) {
          return;
        }
        if (attempt == ATTEMPTS || e.getCode() != 0) {
          throw e;
        }
      }
    }
  }

  /// As a kubelet registers it that is ready at once.
  private static Node readyNode(String name) {
    String now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    Map<String, Quantity> size =
        Map.of(
            "cpu", new Quantity("32"),
            "memory", new Quantity("256Gi"),
            "pods", new Quantity("110"));
    return new NodeBuilder()
        .withNewMetadata()
        .withName(name)
        .addToLabels("pool", "storage")
        .addToLabels("kubernetes.io/hostname", name)
        .addToLabels("kubernetes.io/os", "linux")
        .addToAnnotations("kwok.x-k8s.io/node", "fake")
        .endMetadata()
        .withNewStatus()
        .withAllocatable(size)
        .withCapacity(size)
        .addNewCondition()
        .withType("Ready")
        .withStatus("True")
        .withReason("KubeletReady")
        .withLastHeartbeatTime(now)
        .withLastTransitionTime(now)
        .endCondition()
        .endStatus()
        .build();
  }

  static String node(int number) {
    return "node-%05d".formatted(number);
  }

  void hold() {
    client
        .resource(
            """
            apiVersion: chaperone.dev/v1alpha1
            kind: Hold
            metadata: {name: %s, namespace: %s}
            spec: {companionRef: {name: %s}, reason: measured}
            """
                .formatted(HOLD, NAMESPACE, COMPANION))
        .create();
  }

  void release() {
    client
        .genericKubernetesResources("chaperone.dev/v1alpha1", "Hold")
        .inNamespace(NAMESPACE)
        .withName(HOLD)
        .delete();
  }

  void cordon(int number, boolean cordoned) {
    client
        .nodes()
        .withName(node(number))
        .edit(
            node -> {
              node.getSpec().setUnschedulable(cordoned ? Boolean.TRUE : null);
              return node;
            });
  }

  /// Changes the target so that nothing has to be done about it.
  void annotateTarget(int number) {
    editTarget(
        target -> target.getMetadata().getAnnotations().put("touched", Integer.toString(number)));
  }

  void awaitRunning(int nodes) {
    Wait.until(
        nodes + " target pods", LONG, () -> running() == nodes, () -> running() + " are ready");
  }

  /// Waits until there are as many guards, with or without a node.
  void awaitGuardPods(int guards) {
    Wait.until(
        guards + " guard pods",
        LONG,
        () ->
            Optional.ofNullable(guards().get())
                .map(Deployment::getStatus)
                .filter(status -> orZero(status.getReplicas()) == guards)
                .isPresent(),
        () -> "they are made");
  }

  /// Waits until both budgets say what they should.
  void awaitBudgets(boolean held, int pods) {
    Wait.until(
        "budgets of " + pods + " pods",
        LONG,
        () -> {
          try {
            checkBudgets(held, pods);
            return true;
          } catch (WrongResult notYet) {
            return false;
          }
        },
        () -> "not so yet");
  }

  static String many(int number) {
    return "companion-" + number;
  }

  /// Makes many Companions beside the one.
  void manyCompanions() {
    lab.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}".formatted(MANY));
    for (int i = 0; i < HOW_MANY; i++) {
      lab.apply(daemonSet("target-" + i, MANY, "{pool: none}"));
      lab.apply(
          """
          apiVersion: chaperone.dev/v1alpha1
          kind: Companion
          metadata: {name: %s, namespace: %s}
          spec: {targetRef: {name: target-%d}}
          """
              .formatted(many(i), MANY, i));
    }
  }

  /// Deletes them again: an event of a Node concerns every Companion.
  void deleteManyCompanions() {
    companions(MANY).delete();
  }

  /// Rolls the target's pods, as many at a time as its strategy says.
  void rollTarget() {
    editTarget(
        target ->
            target
                .getSpec()
                .getTemplate()
                .getMetadata()
                .setAnnotations(Map.of("rolled", Long.toString(System.nanoTime()))));
  }

  private void editTarget(Consumer<DaemonSet> edit) {
    client
        .apps()
        .daemonSets()
        .inNamespace(NAMESPACE)
        .withName(TARGET)
        .edit(
            target -> {
              edit.accept(target);
              return target;
            });
  }

  boolean isRolled(int nodes) {
    DaemonSet target = target();
    return Objects.equals(
            target.getMetadata().getGeneration(), target.getStatus().getObservedGeneration())
        && orZero(target.getStatus().getUpdatedNumberScheduled()) == nodes
        && orZero(target.getStatus().getNumberReady()) == nodes;
  }

  String rolled() {
    return "%d target pods are new and %d ready"
        .formatted(
            orZero(target().getStatus().getUpdatedNumberScheduled()),
            orZero(target().getStatus().getNumberReady()));
  }

  private DaemonSet target() {
    return daemonSet(TARGET);
  }

  private DaemonSet daemonSet(String name) {
    return client.apps().daemonSets().inNamespace(NAMESPACE).withName(name).get();
  }

  /// How many target pods run.
  int running() {
    return orZero(target().getStatus().getNumberReady());
  }

  /// How many guards run.
  int guarded() {
    return Optional.ofNullable(guards().get())
        .map(Deployment::getStatus)
        .map(status -> orZero(status.getReadyReplicas()))
        .orElse(0);
  }

  private Resource<Deployment> guards() {
    return client.apps().deployments().inNamespace(NAMESPACE).withName(GUARDS);
  }

  /// Waits until there are as many ready guards as nodes, then looks at each.
  ///
  /// @throws WrongResult if they are not there in time, or not each where it should be
  void awaitGuarded(int nodes, Duration atMost) {
    Wait.until(
        nodes + " guards",
        atMost,
        () -> guarded() == nodes,
        () -> "%d target pods and %d guards are ready".formatted(running(), guarded()));
    checkGuarded(nodes);
  }

  /// One of the guards that have a node.
  Pod aGuard() {
    return guardPods().list().getItems().stream()
        .filter(it -> it.getSpec().getNodeName() != null)
        .findFirst()
        .orElseThrow();
  }

  /// One running guard on each node that runs a target pod, and no other.
  void checkGuarded(int nodes) {
    Set<String> targets = new HashSet<>();
    for (Pod pod : pods(Map.of("app", TARGET))) {
      targets.add(pod.getSpec().getNodeName());
    }
    Set<String> guarded = new HashSet<>();
    for (Pod pod : pods(Map.of("app.kubernetes.io/component", "guard"))) {
      String node = pod.getSpec().getNodeName();
      WrongResult.unless(node != null, "a guard waits: " + pod.getMetadata().getName());
      WrongResult.unless(guarded.add(node), "two guards on " + node);
      WrongResult.unless(Readiness.isPodReady(pod), "a guard is not ready on " + node);
    }
    WrongResult.unless(
        targets.size() == nodes, targets.size() + " target pods on " + nodes + " nodes");
    WrongResult.unless(targets.equals(guarded), "guards are not where the target's pods are");
  }

  /// The follower has the target's placement.
  void checkPlaced() {
    Map<String, String> placement =
        daemonSet(COMPANION).getSpec().getTemplate().getSpec().getNodeSelector();
    WrongResult.unless(
        Map.of("pool", "storage").equals(placement), "the follower's placement is " + placement);
  }

  /// Both budgets say what they should, and the disruption controller has counted for them: from
  /// then on it changes them no more.
  void checkBudgets(boolean held, int pods) {
    PodDisruptionBudget nodesBudget = budgets().withName(NODES_BUDGET).get();
    PodDisruptionBudget podsBudget = budgets().withName(PODS_BUDGET).get();
    WrongResult.unless(nodesBudget != null && podsBudget != null, "a budget is missing");
    Integer minAvailable = podsBudget.getSpec().getMinAvailable().getIntVal();
    int expected = held ? MORE_THAN_ALL : Math.max(0, pods - 1);
    WrongResult.unless(
        isClosed(nodesBudget) == held && minAvailable == expected,
        "held: %s, but the guards' budget is %s and minAvailable of %d pods is %d"
            .formatted(held, nodesBudget.getSpec(), pods, minAvailable));
    WrongResult.unless(
        isCounted(nodesBudget) && isCounted(podsBudget),
        "the disruption controller has not counted yet");
  }

  /// Whether the budget lets nothing go, in the form of either contender.
  static boolean isClosed(PodDisruptionBudget budget) {
    IntOrString maxUnavailable = budget.getSpec().getMaxUnavailable();
    IntOrString minAvailable = budget.getSpec().getMinAvailable();
    return (maxUnavailable != null && maxUnavailable.getIntVal() == 0)
        || (minAvailable != null && minAvailable.getIntVal() == MORE_THAN_ALL);
  }

  static boolean isCounted(PodDisruptionBudget budget) {
    return budget.getStatus() != null
        && Objects.equals(
            budget.getStatus().getObservedGeneration(), budget.getMetadata().getGeneration());
  }

  private List<Pod> pods(Map<String, String> labels) {
    return client.pods().inNamespace(NAMESPACE).withLabels(labels).list().getItems().stream()
        .filter(pod -> pod.getMetadata().getDeletionTimestamp() == null)
        .toList();
  }

  static void inParallel(int from, int to, IntConsumer each) {
    AtomicInteger next = new AtomicInteger(from);
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> workers = new ArrayList<>();
      IntStream.range(0, AT_A_TIME)
          .forEach(
              _ ->
                  workers.add(
                      threads.submit(
                          () -> {
                            for (int i = next.getAndIncrement();
                                i <= to;
                                i = next.getAndIncrement()) {
                              each.accept(i);
                            }
                          })));
      for (Future<?> worker : workers) {
        try {
          worker.get();
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          throw new WrongResult("interrupted");
        } catch (ExecutionException e) {
          throw new IllegalStateException(e.getCause());
        }
      }
    }
  }

  private static int orZero(@Nullable Integer number) {
    return number == null ? 0 : number;
  }

  static String daemonSet(String name, String namespace, String nodeSelector) {
    return """
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: %1$s, namespace: %2$s}
        spec:
          selector: {matchLabels: {app: %1$s}}
          updateStrategy: {rollingUpdate: {maxUnavailable: 25%%}}
          template:
            metadata: {labels: {app: %1$s}}
            spec:
              nodeSelector: %3$s
              containers: [{name: main, image: none}]
        """
        .formatted(name, namespace, nodeSelector);
  }
}
