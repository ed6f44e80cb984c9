package dev.chaperone.kubectl;

import dev.chaperone.lab.Lab;
import java.util.Map;

/// What the plugin is asked about.
final class Scenes {
  private Scenes() {}

  /// A target on nodes of its own, `name-1` and so on, and a Companion for it, in a namespace of
  /// that name.
  ///
  /// @param disruption YAML of spec.disruption
  static void companion(Lab lab, String name, int nodes, String disruption) {
    for (int node = 1; node <= nodes; node++) {
      lab.addNode(name + "-" + node, Map.of("pool", name));
    }
    lab.apply(
        """
        apiVersion: v1
        kind: Namespace
        metadata: {name: %1$s}
        ---
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: target, namespace: %1$s}
        spec:
          selector: {matchLabels: {app: target}}
          template:
            metadata: {labels: {app: target}}
            spec:
              nodeSelector: {pool: %1$s}
              containers: [{name: main, image: none}]
        ---
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: agent, namespace: %1$s}
        spec:
          targetRef: {name: target}
          disruption: %2$s
        """
            .formatted(name, disruption));
  }
}
