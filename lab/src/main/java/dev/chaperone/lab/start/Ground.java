package dev.chaperone.lab.start;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.Waiting;
import io.fabric8.kubernetes.api.model.IntOrString;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.function.BooleanSupplier;

/// A cluster with Chaperone's installation, and one target on three nodes with its Companion.
final class Ground {
  static final String NAMESPACE = "storage";
  static final String COMPANION = "agent";
  static final String HOLD = "rebuild";
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private final Lab lab;
  private final Path home;

  Ground(Lab lab, Path home) {
    this.lab = lab;
    this.home = home;
  }

  /// @param disruption YAML of the Companion's spec.disruption
  Ground prepare(String disruption) {
    for (int i = 1; i <= 3; i++) {
      lab.addNode("node-" + i, Map.of("disks", "fast"));
    }
    Chaperone.installTypesAndRights(lab, home);
    lab.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}".formatted(NAMESPACE));
    lab.addDaemonSet(NAMESPACE, "target", "{disks: fast}");
    lab.addDaemonSet(NAMESPACE, "follower", "{}");
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: agent, namespace: storage}
        spec:
          targetRef: {name: target}
          followerRef: {name: follower}
          disruption: %s
          signals:
          - {type: com.example.rebuild, holdWhen: "data.state == 'started'", releaseWhen: "data.state == 'finished'", key: data.pool}
        """
            .formatted(disruption));
    await(
        "three pods of the target",
        () ->
            lab.client()
                    .apps()
                    .daemonSets()
                    .inNamespace(NAMESPACE)
                    .withName("target")
                    .get()
                    .getStatus()
                    .getNumberReady()
                == 3);
    return this;
  }

  /// Makes a Hold, of which the functions do not know yet.
  void hold() {
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: rebuild, namespace: storage}
        spec: {companionRef: {name: agent}, reason: rebuilding}
        """);
  }

  /// Deletes it again.
  void release() {
    lab.kubectl("delete", "hold", HOLD, "-n", NAMESPACE).orFail();
  }

  /// Whether the API server has the guards' budget so: what the functions are measured by.
  boolean isClosed() {
    var budget =
        lab.client()
            .policy()
            .v1()
            .podDisruptionBudget()
            .inNamespace(NAMESPACE)
            .withName(COMPANION + "-nodes")
            .get();
    return budget != null
        && new IntOrString(Integer.MAX_VALUE).equals(budget.getSpec().getMinAvailable());
  }

  /// Guards that run.
  long guards() {
    return lab
        .client()
        .pods()
        .inNamespace(NAMESPACE)
        .withLabel("app.kubernetes.io/component", "guard")
        .list()
        .getItems()
        .stream()
        .filter(pod -> "Running".equals(pod.getStatus().getPhase()))
        .count();
  }

  /// Looks until it is so.
  ///
  /// @throws LabFailure if it is not so in time
  static void await(String what, BooleanSupplier so) {
    Waiting.until(PATIENCE, so, () -> new LabFailure("not seen: " + what));
  }
}
