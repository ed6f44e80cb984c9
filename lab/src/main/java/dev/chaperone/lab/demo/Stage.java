package dev.chaperone.lab.demo;

import dev.chaperone.lab.Budgets;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.readiness.Readiness;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;

/// The cluster of the demo, as the story needs it: things are put on it, waited for, and shown.
final class Stage {
  static final String NAMESPACE = "storage";

  /// As long as two beats of the pulse, and what they cause.
  private static final Duration PATIENCE = Duration.ofSeconds(150);

  private static final Duration LOOK_AGAIN = Duration.ofMillis(100);

  private final Lab lab;
  private final KubernetesClient client;
  private long stepBegan;

  Stage(Lab lab) {
    this.lab = lab;
    this.client = lab.client();
  }

  void apply(String yaml) {
    client
        .load(new ByteArrayInputStream(yaml.getBytes(StandardCharsets.UTF_8)))
        .items()
        .forEach(item -> client.resource(item).fieldManager("demo").serverSideApply());
  }

  void begin(int number, String title) {
    System.out.printf("%n%d. %s%n", number, title);
    stepBegan = System.nanoTime();
  }

  void done(String seen) {
    System.out.printf("   seen after %.1f s: %s%n", (System.nanoTime() - stepBegan) / 1e9, seen);
    show();
  }

  /// Looks until it is so.
  ///
  /// @throws NotSeen if it is not so after two beats of the pulse
  void await(String what, BooleanSupplier so) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!so.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new NotSeen(what);
      }
      try {
        Thread.sleep(LOOK_AGAIN);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new NotSeen(what + ", before it was interrupted");
      }
    }
  }

  /// Waits until the ready pods with this label are on exactly these nodes.
  void awaitOn(Map<String, String> labels, String... nodes) {
    Set<String> wanted = new TreeSet<>(List.of(nodes));
    await("pods " + labels + " on " + wanted, () -> nodesOf(labels).equals(wanted));
  }

  void awaitAllowed(int disruptions) {
    await(
        "a budget that allows " + disruptions,
        () -> allowed().filter(it -> it == disruptions).isPresent());
  }

  Kubectl drain(String node) {
    System.out.printf("   $ kubectl drain %s --ignore-daemonsets%n", node);
    return lab.startKubectl("drain", node, "--ignore-daemonsets");
  }

  /// Waits until kubectl itself says that the budget holds the drain.
  String awaitHeld(Kubectl drain) {
    String words = "would violate the pod's disruption budget";
    await("a drain that waits", () -> (drain.out() + drain.err()).contains(words));
    if (!drain.isRunning()) {
      throw new NotSeen("a drain that goes on waiting; it ended: " + drain.err());
    }
    return "Cannot evict pod as it " + words;
  }

  void awaitEnd(Kubectl drain) {
    Kubectl.Result result = drain.await(PATIENCE);
    if (result.exit() != 0) {
      throw new NotSeen("a drain that ends well; it ended so: " + result.err());
    }
  }

  void kubectl(String... arguments) {
    System.out.printf("   $ kubectl %s%n", String.join(" ", arguments));
    lab.kubectl(arguments).orFail();
  }

  void show() {
    System.out.println("   NODE    CORDONED  TARGET  COMPANION  GUARD");
    Set<String> targets = nodesOf(Demo.TARGET);
    Set<String> companions = nodesOf(Demo.COMPANION);
    Set<String> guards = nodesOf(Demo.GUARD);
    // Knative's own node has none.
    for (Node node : client.nodes().withLabel("disks").list().getItems()) {
      String name = node.getMetadata().getName();
      System.out.printf(
          "   %-8s%-10s%-8s%-11s%s%n",
          name,
          mark(Boolean.TRUE.equals(node.getSpec().getUnschedulable())),
          mark(targets.contains(name)),
          mark(companions.contains(name)),
          mark(guards.contains(name)));
    }
    String budget = allowed().map(String::valueOf).orElse("no budget yet");
    System.out.println("   nodes that may go now: " + budget);
    lab.kubectl("get", "companions", "-n", NAMESPACE)
        .out()
        .lines()
        .forEach(line -> System.out.println("   " + line));
  }

  private static String mark(boolean there) {
    return there ? "yes" : "-";
  }

  private Set<String> nodesOf(Map<String, String> labels) {
    return client.pods().inNamespace(NAMESPACE).withLabels(labels).list().getItems().stream()
        .filter(Stage::isReady)
        .map(pod -> pod.getSpec().getNodeName())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static boolean isReady(Pod pod) {
    return pod.getMetadata().getDeletionTimestamp() == null && Readiness.isPodReady(pod);
  }

  /// What Kubernetes itself says of the budget as it now is.
  private Optional<Integer> allowed() {
    PodDisruptionBudget budget =
        client
            .policy()
            .v1()
            .podDisruptionBudget()
            .inNamespace(NAMESPACE)
            .withName("storage-agent-nodes")
            .get();
    return Budgets.allowed(budget);
  }

  /// What the story tells did not happen.
  static final class NotSeen extends RuntimeException {
    private static final long serialVersionUID = 1L;

    NotSeen(String what) {
      super("not seen: " + what);
    }
  }
}
