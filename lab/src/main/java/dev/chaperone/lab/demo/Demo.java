package dev.chaperone.lab.demo;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.knative.Eventing;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import dev.chaperone.lab.knative.Serving;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.programs.LabFailure;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.logging.Level;
import java.util.logging.Logger;

/// A drain that is held back and let through, on a real control plane, step by step; every event
/// comes from Knative's own sources through its Broker. Ends with 0 only if every step was seen to
/// happen.
public final class Demo {
  static final Map<String, String> TARGET = Map.of("app", "storage-node");
  static final Map<String, String> COMPANION = Map.of("app", "storage-agent");
  static final Map<String, String> GUARD = Map.of("app.kubernetes.io/component", "guard");

  static final String COMPANION_OBJECT =
      """
      apiVersion: chaperone.dev/v1alpha1
      kind: Companion
      metadata: {name: storage-agent, namespace: storage}
      spec:
        targetRef: {name: storage-node}
        followerRef: {name: storage-agent}
      """;
  static final String HOLD =
      """
      apiVersion: chaperone.dev/v1alpha1
      kind: Hold
      metadata: {name: rebuild-42, namespace: storage}
      spec: {companionRef: {name: storage-agent}, reason: rebuilding pool 42}
      """;

  private static final String CHAPERONE = "chaperone";
  private static final int MEASURED = 10;
  private static final Path HOME = Path.of(System.getProperty("chaperone.home", "."));

  /// On a busy machine the client's event loop is late, which is no news.
  private static final Logger LATENESS =
      Logger.getLogger("io.vertx.core.impl.BlockedThreadChecker");

  private Demo() {}

  /// Runs the demo.
  ///
  /// @param arguments nothing, or `--keep`: leave it running until Ctrl-C; `--nodes`: on real
  ///     nodes; with that, `--measure`: and measure ten cold starts
  public static void main(String[] arguments) {
    Set<String> options = new HashSet<>(List.of(arguments));
    boolean keep = options.remove("--keep");
    boolean nodes = options.remove("--nodes");
    boolean measure = nodes && options.remove("--measure");
    if (!options.isEmpty()) {
      System.err.println("usage: scripts/demo [--keep] [--nodes [--measure]]");
      System.exit(2);
    }
    LATENESS.setLevel(Level.OFF);
    System.exit(nodes ? NodesDemo.run(HOME, keep, measure ? MEASURED : 0) : run(keep));
  }

  private static int run(boolean keep) {
    long began = System.nanoTime();
    System.out.println("Starting a control plane (etcd, API server, controllers, scheduler)");
    try (Lab lab = Lab.start()) {
      try {
        return play(lab, began, keep);
      } catch (Stage.NotSeen | LabFailure | KubernetesClientException | AssertionError e) {
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
    System.out.println("Starting Knative Eventing (controllers, Broker, channel, sources)");
    Eventing eventing = Eventing.start(lab);
    Serving serving =
        Serving.start(
            eventing, new Serving.Program(FunctionsCommand.fastest(FunctionsCommand.built(HOME))));
    System.out.println("Installing Chaperone: kubectl apply -k knative/, then triggers/");
    lab.apply(HOME.resolve("knative"));
    lab.awaitListed("companions", "holds");
    lab.apply(HOME.resolve("triggers"));
    eventing.awaitReady();
    FunctionsOnDemand functions = serving.functions(CHAPERONE, "functions");
    System.out.printf(
        """
        Ready after %.1f s. Real: the control plane, kubectl, Knative's ApiServerSources, PingSource, Broker,
        channel and Triggers, and the functions with the rights that they ship with. Played: kubelets by
        KWOK; cluster DNS, Services and Knative Serving by the lab, which starts the functions when an
        event comes and ends them when none came for as long as their manifest says.
        """,
        since(began));
    Stage stage = new Stage(lab);
    tell(stage);
    System.out.printf("%nEvery step was seen. %.1f s in all.%n", since(began));
    if (!keep) {
      stage.await("functions that end when idle", () -> !functions.isRunning());
    }
    System.out.printf(
        """
        The functions answered %d events; %d ended as dead letters. Started %d times (the last start took
        %.1f s), they ran for %.1f s together%s.
        """,
        functions.requests(),
        serving.functions(CHAPERONE, "dead-letters").requests(),
        functions.starts(),
        functions.lastStart().toMillis() / 1e3,
        functions.runningTime().toMillis() / 1e3,
        keep ? "" : "; now they run no more");
    if (keep) {
      keep(lab, eventing, functions);
    }
    return 0;
  }

  private static double since(long began) {
    return (System.nanoTime() - began) / 1e9;
  }

  private static void tell(Stage stage) {
    stage.begin(1, "The companion follows the target, and every node of it gets a guard");
    stage.apply(daemonSets("none"));
    stage.awaitOn(TARGET, "node-1", "node-2", "node-3");
    stage.awaitOn(COMPANION, "node-1", "node-2", "node-3", "node-4", "node-5");
    stage.apply(COMPANION_OBJECT);
    stage.awaitOn(COMPANION, "node-1", "node-2", "node-3");
    stage.awaitOn(GUARD, "node-1", "node-2", "node-3");
    stage.awaitAllowed(1);
    stage.done("from five nodes to the target's three, all guarded, one node may go");

    stage.begin(2, "A Hold closes the budgets");
    stage.apply(HOLD);
    stage.awaitAllowed(0);
    stage.kubectl("wait", "--for=condition=Enforced", "hold/rebuild-42", "-n", Stage.NAMESPACE);
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
    System.out.println(
        "   No Trigger brings a Node's update: the next event of anything else shows it,\n"
            + "   or the pulse, every minute while a guard waits.");
    stage.awaitEnd(second);
    stage.awaitOn(GUARD, "node-1", "node-3");
    stage.done("node-1 has its guard again, node-2 is drained");

    stage.begin(6, "A node is deleted and the guards shrink");
    stage.kubectl("uncordon", "node-2");
    System.out.println("   Seen with the next event or pulse, as before.");
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

  /// Target and companion; the companion runs wherever it may, as yet.
  static String daemonSets(String image) {
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
          updateStrategy: {rollingUpdate: {maxUnavailable: 100%%}}
          template:
            metadata: {labels: {app: storage-node}}
            spec:
              nodeSelector: {disks: fast}
              terminationGracePeriodSeconds: 1
              containers: [{name: node, image: "%1$s"}]
        ---
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: storage-agent, namespace: storage}
        spec:
          selector: {matchLabels: {app: storage-agent}}
          updateStrategy: {rollingUpdate: {maxUnavailable: 100%%}}
          template:
            metadata: {labels: {app: storage-agent}}
            spec:
              terminationGracePeriodSeconds: 1
              containers: [{name: agent, image: "%1$s"}]
        """
        .formatted(image);
  }

  private static void keep(Lab lab, Eventing eventing, FunctionsOnDemand functions) {
    leaveRunning(
        """
          export KUBECONFIG=%s
        A pulse by hand, through the Broker (202: accepted), which lets through what its PingSource would send:
          curl -i %s -X POST -H 'ce-specversion: 1.0' -H 'ce-id: 1' \\
            -H 'ce-source: /apis/v1/namespaces/chaperone/pingsources/chaperone-pulse' -H 'ce-type: dev.knative.sources.ping'
        The same to the functions themselves (204: done, nothing to say):
          curl -i %s -X POST -H 'ce-specversion: 1.0' -H 'ce-id: 2' \\
            -H 'ce-source: /by-hand' -H 'ce-type: dev.knative.sources.ping'
        """
            .formatted(
                lab.kubeconfig(), eventing.broker(CHAPERONE, CHAPERONE), functions.address()));
  }

  /// Waits for Ctrl-C.
  static void leaveRunning(String howToUse) {
    System.out.printf("%nLeft running until Ctrl-C.%n%s", howToUse);
    try {
      Thread.currentThread().join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
