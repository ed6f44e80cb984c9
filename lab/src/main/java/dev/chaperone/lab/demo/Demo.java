package dev.chaperone.lab.demo;

import dev.chaperone.lab.ApiServerSource;
import dev.chaperone.lab.FunctionsOnDemand;
import dev.chaperone.lab.Kubectl;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.LabFailure;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/// A drain that is held back and let through, on a real control plane, step by step. Ends with 0
/// only if every step was seen to happen.
public final class Demo {
  static final Map<String, String> TARGET = Map.of("app", "storage-node");
  static final Map<String, String> COMPANION = Map.of("app", "storage-agent");
  static final Map<String, String> GUARD = Map.of("app.kubernetes.io/component", "guard");

  private static final Duration IDLE = Duration.ofSeconds(5);
  private static final Path HOME = Path.of(System.getProperty("chaperone.home", "."));

  private Demo() {}

  /// Runs the demo.
  ///
  /// @param arguments nothing, or `--keep`: leave it running until Ctrl-C
  public static void main(String[] arguments) {
    boolean keep = List.of(arguments).contains("--keep");
    if (arguments.length > (keep ? 1 : 0)) {
      System.err.println("usage: scripts/demo [--keep]");
      System.exit(2);
    }
    System.exit(run(keep));
  }

  private static int run(boolean keep) {
    long began = System.nanoTime();
    System.out.println("Starting a control plane (etcd, API server, controllers, scheduler) …");
    try (Lab lab = Lab.start()) {
      try {
        return play(lab, began, keep);
      } catch (Stage.NotSeen | LabFailure | AssertionError e) {
        lab.keepLogs();
        System.out.flush();
        System.err.printf("%nThe demo failed: %s%nLogs: %s%n", e.getMessage(), lab.folder());
        return 1;
      }
    }
  }

  private static int play(Lab lab, long began, boolean keep) {
    for (int i = 1; i <= 5; i++) {
      lab.addNode("node-" + i, i <= 3 ? Map.of("disks", "fast") : Map.of("disks", "slow"));
    }
    lab.apply(HOME.resolve("knative/crds"));
    lab.apply(HOME.resolve("knative/base/namespace.yaml"));
    lab.apply(HOME.resolve("knative/base/rbac.yaml"));
    lab.apply(HOME.resolve("triggers/base/rbac.yaml"));
    lab.kubectl("wait", "--for=condition=Established", "crd", "--all").orFail();
    List<String> functions =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-jar",
            HOME.resolve("functions/target/quarkus-app/quarkus-run.jar").toString());
    Map<String, String> rights =
        Map.of("KUBECONFIG", lab.kubeconfig("chaperone", "functions").toString());
    try (FunctionsOnDemand onDemand =
            FunctionsOnDemand.start(
                functions, rights, IDLE, lab.folder().resolve("functions.log"));
        ApiServerSource _ =
            ApiServerSource.start(
                lab, onDemand.address(), HOME.resolve("triggers/base/sources.yaml"))) {
      System.out.printf(
          """
          Ready after %.1f s. Real: the control plane, kubectl, Knative's ApiServerSource, the functions.
          Played: kubelets by KWOK; Knative Serving's part by the lab, which starts the functions when an
          event comes and ends them %d s after the last one.
          """,
          (System.nanoTime() - began) / 1e9, IDLE.toSeconds());
      Stage stage = new Stage(lab);
      tell(stage);
      System.out.printf(
          "%nEvery step was seen. %.1f s in all.%n", (System.nanoTime() - began) / 1e9);
      if (!keep) {
        stage.await("functions that end when idle", () -> !onDemand.isRunning());
      }
      System.out.printf(
          "The functions answered %d events. Starts: %d, the last one took %.1f s. They ran %.1f s%s.%n",
          onDemand.requests(),
          onDemand.starts(),
          onDemand.lastStart().toMillis() / 1e3,
          onDemand.runningTime().toMillis() / 1e3,
          keep ? "" : ", and now run no more");
      if (keep) {
        keep(lab, onDemand);
      }
      return 0;
    }
  }

  private static void tell(Stage stage) {
    stage.begin(1, "The companion follows the target, and every node of it gets a guard");
    stage.apply(daemonSets());
    stage.awaitOn(TARGET, "node-1", "node-2", "node-3");
    stage.awaitOn(COMPANION, "node-1", "node-2", "node-3", "node-4", "node-5");
    stage.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: storage-agent, namespace: storage}
        spec:
          targetRef: {name: storage-node}
          companionRef: {name: storage-agent}
        """);
    stage.awaitOn(COMPANION, "node-1", "node-2", "node-3");
    stage.awaitOn(GUARD, "node-1", "node-2", "node-3");
    stage.awaitAllowed(1);
    stage.done("from five nodes to the target's three, all guarded, one node may go");

    stage.begin(2, "A Hold closes the budgets");
    stage.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: rebuild-42, namespace: storage}
        spec: {companionRef: {name: storage-agent}, reason: rebuilding pool 42}
        """);
    stage.awaitAllowed(0);
    stage.done("no node may go");

    stage.begin(3, "A real drain waits");
    Kubectl first = stage.drain("node-1");
    stage.done(stage.awaitHeld(first));

    stage.begin(4, "The Hold goes, the drain ends");
    stage.kubectl("delete", "hold", "rebuild-42", "-n", Stage.NAMESPACE);
    stage.awaitEnd(first);
    stage.awaitOn(GUARD, "node-2", "node-3");
    stage.done("node-1 is drained");

    stage.begin(5, "A second drain waits until the first node is back");
    Kubectl second = stage.drain("node-2");
    String words = stage.awaitHeld(second);
    System.out.println("   " + words);
    stage.kubectl("uncordon", "node-1");
    stage.awaitEnd(second);
    stage.awaitOn(GUARD, "node-1", "node-3");
    stage.done("node-1 has its guard again, node-2 is drained");

    stage.begin(6, "A node is deleted and the guards shrink");
    stage.kubectl("uncordon", "node-2");
    stage.awaitOn(GUARD, "node-1", "node-2", "node-3");
    stage.kubectl("delete", "node", "node-3");
    stage.awaitOn(GUARD, "node-1", "node-2");
    System.out.println(
        "   Its guard went at once. Its share of the budget goes when Kubernetes counts the target's"
            + " nodes anew:\n   within a minute, or when the DaemonSet is touched.");
    stage.kubectl("annotate", "daemonset", "storage-node", "-n", Stage.NAMESPACE, "touched=now");
    stage.awaitAllowed(1);
    stage.done("two guards for two nodes, and one may still go");

    stage.begin(7, "The target moves, the companion follows");
    stage.kubectl(
        "patch",
        "daemonset",
        "storage-node",
        "-n",
        Stage.NAMESPACE,
        "--type=merge",
        "-p",
        "{\"spec\":{\"template\":{\"spec\":{\"nodeSelector\":{\"disks\":\"slow\"}}}}}");
    stage.awaitOn(TARGET, "node-4", "node-5");
    stage.awaitOn(COMPANION, "node-4", "node-5");
    stage.awaitOn(GUARD, "node-4", "node-5");
    stage.awaitAllowed(1);
    stage.done("target, companion and guards are on the other nodes");
  }

  private static String daemonSets() {
    return """
        apiVersion: v1
        kind: Namespace
        metadata: {name: storage}
        ---
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: storage-node, namespace: storage}
        spec:
          selector: {matchLabels: {app: storage-node}}
          updateStrategy: {rollingUpdate: {maxUnavailable: 100%}}
          template:
            metadata: {labels: {app: storage-node}}
            spec:
              nodeSelector: {disks: fast}
              containers: [{name: node, image: none}]
        ---
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: storage-agent, namespace: storage}
        spec:
          selector: {matchLabels: {app: storage-agent}}
          updateStrategy: {rollingUpdate: {maxUnavailable: 100%}}
          template:
            metadata: {labels: {app: storage-agent}}
            spec:
              containers: [{name: agent, image: none}]
        """;
  }

  private static void keep(Lab lab, FunctionsOnDemand functions) {
    System.out.printf(
        """

        Left running until Ctrl-C.
          export KUBECONFIG=%s
          curl -i %s -X POST -H 'ce-specversion: 1.0' -H 'ce-id: 1' -H 'ce-source: /by-hand' \\
            -H 'ce-type: dev.knative.sources.ping'
        """,
        lab.kubeconfig(), functions.address());
    try {
      Thread.currentThread().join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
