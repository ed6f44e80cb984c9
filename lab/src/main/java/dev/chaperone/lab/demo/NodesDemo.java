package dev.chaperone.lab.demo;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.nodes.NodeLab;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.start.ColdStarts;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.nio.file.Path;

/// The same story where Chaperone is meant to run: real nodes, real Knative Serving and Eventing,
/// and the functions in their own image, which Knative starts for an event and lets go after it.
final class NodesDemo {
  private static final int WORKERS = 3;

  private final NodeLab nodes;
  private final Stage stage;

  private NodesDemo(NodeLab nodes) {
    this.nodes = nodes;
    this.stage = new Stage(nodes.lab());
  }

  /// Tells it.
  ///
  /// @param measured how many cold starts are measured after the story
  /// @return the exit code
  static int run(Path home, boolean keep, int measured) {
    long began = System.nanoTime();
    System.out.println(
        "Starting real nodes (containerd, kubelet, kube-proxy, network policies, DNS) …");
    try (NodeLab nodes = Chaperone.startNodes(home, WORKERS)) {
      try {
        System.out.println("Installing Knative Serving, Kourier and Knative Eventing …");
        nodes.installKnative();
        System.out.println("Installing Chaperone: kubectl apply -k knative/, then triggers/ …");
        Chaperone.install(nodes, home);
        System.out.printf("Ready after %.1f s. Nothing is played.%n", since(began));
        new NodesDemo(nodes).tell();
        System.out.printf("%nEvery step was seen. %.1f s in all.%n", since(began));
        if (measured > 0) {
          System.out.println(ColdStarts.measure(nodes, Stage.NAMESPACE, measured));
        }
        if (keep) {
          Demo.leaveRunning("  export KUBECONFIG=%s%n".formatted(nodes.lab().kubeconfig()));
        }
        return 0;
      } catch (Stage.NotSeen | LabFailure | KubernetesClientException | AssertionError e) {
        nodes.lab().keepLogs();
        System.out.flush();
        System.err.printf(
            "%nThe demo failed: %s%nLogs: %s%n", e.getMessage(), nodes.lab().folder());
        return 1;
      }
    } catch (LabFailure e) {
      System.err.println(e.getMessage());
      return 1;
    }
  }

  private void tell() {
    stage.begin(1, "The companion follows the target, and every node of it gets a guard");
    Lab lab = nodes.lab();
    for (int i = 1; i <= WORKERS; i++) {
      stage.kubectl("label", "node", "node-" + i, "disks=" + (i < WORKERS ? "fast" : "slow"));
    }
    asleep();
    stage.apply(Demo.daemonSets(NodeLab.POD_IMAGE));
    stage.awaitOn(Demo.TARGET, "node-1", "node-2");
    stage.awaitOn(Demo.COMPANION, "node-1", "node-2", "node-3");
    stage.apply(Demo.COMPANION_OBJECT);
    stage.awaitOn(Demo.COMPANION, "node-1", "node-2");
    stage.awaitOn(Demo.GUARD, "node-1", "node-2");
    stage.awaitAllowed(1);
    stage.done("from three nodes to the target's two, all guarded, one node may go");
    asleep();

    stage.begin(2, "A Hold closes the budgets; the functions start for it from nothing");
    stage.apply(Demo.HOLD);
    stage.awaitAllowed(0);
    stage.kubectl(
        "wait",
        "--for=condition=Enforced",
        "hold/rebuild-42",
        "-n",
        Stage.NAMESPACE,
        "--timeout=90s");
    stage.done("no node may go");

    stage.begin(3, "A real drain waits, while nothing of Chaperone runs");
    Kubectl drain = stage.drain("node-1");
    System.out.println("   " + stage.awaitHeld(drain));
    asleep();
    if (!drain.isRunning()) {
      throw new Stage.NotSeen("a drain that waits on while no function runs: " + drain.err());
    }
    stage.done("the drain waits, and there is no pod of the functions");

    stage.begin(4, "The Hold goes, the drain ends");
    stage.kubectl("delete", "hold", "rebuild-42", "-n", Stage.NAMESPACE);
    stage.awaitEnd(drain);
    stage.awaitOn(Demo.GUARD, "node-2");
    stage.done("node-1 is drained");

    stage.begin(5, "The node comes back and is guarded again");
    stage.kubectl("uncordon", "node-1");
    System.out.println("   Seen with the next event or pulse: every minute while a guard waits.");
    stage.awaitOn(Demo.GUARD, "node-1", "node-2");
    stage.done("both nodes have their guards");

    stage.begin(6, "A node ends without a word, is deleted, and joins again under its name");
    nodes.node("node-2").end();
    stage.kubectl("delete", "node", "node-2");
    stage.awaitOn(Demo.GUARD, "node-1");
    nodes.join("node-2");
    stage.kubectl("label", "node", "node-2", "disks=fast", "--overwrite");
    stage.awaitOn(Demo.TARGET, "node-1", "node-2");
    stage.awaitOn(Demo.GUARD, "node-1", "node-2");
    asleep();
    stage.done("two guards for two nodes, and the functions are gone again");
    lab.kubectl("get", "companions", "-n", Stage.NAMESPACE).orFail();
  }

  private void asleep() {
    stage.await("no pod of the functions", () -> ColdStarts.pods(nodes.lab()).isEmpty());
    System.out.println("   No pod of the functions runs.");
  }

  private static double since(long began) {
    return (System.nanoTime() - began) / 1e9;
  }
}
