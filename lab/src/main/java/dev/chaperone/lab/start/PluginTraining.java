package dev.chaperone.lab.start;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.LabFailure;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// `scripts/plugin`: lets the kubectl plugin answer every command once, against a real API server,
/// while its JVM writes the AOT cache.
public final class PluginTraining {
  /// A drain that a budget of a Companion and one of somebody else block.
  private static final String BLOCKED =
      """
      apiVersion: policy/v1
      kind: PodDisruptionBudget
      metadata: {name: agent-nodes, namespace: storage, ownerReferences: [
        {apiVersion: chaperone.dev/v1alpha1, kind: Companion, name: agent, uid: $UID, controller: true}]}
      spec: {minAvailable: 1, selector: {matchLabels: {app: guard}}}
      ---
      apiVersion: policy/v1
      kind: PodDisruptionBudget
      metadata: {name: web, namespace: storage}
      spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
      ---
      apiVersion: v1
      kind: Pod
      metadata: {name: guard, namespace: storage, labels: {app: guard}}
      spec: {nodeName: node-1, containers: [{name: main, image: none}]}
      ---
      apiVersion: v1
      kind: Pod
      metadata: {name: web, namespace: storage, labels: {app: web}}
      spec: {nodeName: node-1, containers: [{name: main, image: none}]}
      """;

  private static final String STATUS =
      """
      {"status": {"guards": {"desired": 3, "bound": 3, "running": 3},
        "reasons": [{"type": "Hold", "name": "x", "message": "Hold x: y", "since": "2026-01-01T00:00:00Z"}],
        "conditions": [{"type": "DisruptionAllowed", "status": "False", "reason": "Hold",
          "message": "Hold x: y", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}""";

  /// Each with its exit code: nothing enforces the Hold.
  private static final List<String> COMMANDS =
      List.of(
          "0 why -h",
          "2 why node-1",
          "2 why node-1 -o json",
          "2 why node-1 -o yaml",
          "0 preview node-1 node-2",
          "0 status -A",
          "0 status -A -o wide",
          "0 status -A -o yaml",
          "1 hold agent -n storage --name training --reason training --for 1h --wait 1s",
          "0 holds -A",
          "0 holds -A -o json",
          "0 release training -n storage");

  private PluginTraining() {}

  /// Trains a plugin.
  ///
  /// @param command that starts `dev.chaperone.kubectl.Rehearsal`
  /// @throws LabFailure if a command does not end as it should
  public static void main(String[] command) throws IOException, InterruptedException {
    Path home = Path.of(System.getProperty("chaperone.home", "."));
    System.err.println("training: starting a control plane");
    try (Lab lab = Lab.start()) {
      new Ground(lab, home).prepare("{}");
      lab.apply(BLOCKED.replace("$UID", uidOf(lab)));
      lab.kubectl(
              "patch",
              "companion",
              Ground.COMPANION,
              "-n",
              Ground.NAMESPACE,
              "--subresource=status",
              "--type=merge",
              "-p",
              STATUS)
          .orFail();
      Ground.await("two budgets that count their pod", () -> counted(lab).equals("1 1"));
      List<String> all = new ArrayList<>(List.of(command));
      COMMANDS.forEach(it -> all.add(it + " --kubeconfig " + lab.kubeconfig()));
      int exit = new ProcessBuilder(all).inheritIO().start().waitFor();
      if (exit != 0) {
        throw new LabFailure("the plugin's training ended with " + exit);
      }
    }
  }

  private static String uidOf(Lab lab) {
    return lab.kubectl(
            "get",
            "companion",
            Ground.COMPANION,
            "-n",
            Ground.NAMESPACE,
            "-o",
            "jsonpath={.metadata.uid}")
        .orFail()
        .out();
  }

  private static String counted(Lab lab) {
    return lab.kubectl(
            "get",
            "pdb",
            "-n",
            Ground.NAMESPACE,
            "-o",
            "jsonpath={.items[*].status.currentHealthy}")
        .out();
  }
}
