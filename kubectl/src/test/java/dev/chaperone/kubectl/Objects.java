package dev.chaperone.kubectl;

import dev.chaperone.api.Companion;
import dev.chaperone.decide.CompanionRef;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/// Objects as the API server has them.
final class Objects {
  static final String NAMESPACE = "storage";

  private Objects() {}

  /// A ready pod.
  static Pod pod(String name, String app) {
    return read(
        Pod.class,
        """
        metadata: {name: %s, namespace: storage, labels: {app: %s}}
        spec: {nodeName: node-1}
        status: {conditions: [{type: Ready, status: "True"}]}
        """
            .formatted(name, app));
  }

  /// The budget that Chaperone makes for Companion `agent`.
  static PodDisruptionBudget ofCompanion(String app, int allowed) {
    PodDisruptionBudget budget = budget("agent-nodes", app, allowed, 3, 3, 2);
    budget
        .getMetadata()
        .setOwnerReferences(
            read(
                    Pod.class,
                    """
                    metadata:
                      ownerReferences:
                      - {apiVersion: chaperone.dev/v1alpha1, kind: Companion, name: agent, uid: u, controller: true}
                    """)
                .getMetadata()
                .getOwnerReferences());
    return budget;
  }

  static PodDisruptionBudget budget(
      String name, String app, int allowed, int expected, int healthy, int desired) {
    return read(
        PodDisruptionBudget.class,
        """
        metadata: {name: %s, namespace: storage}
        spec: {minAvailable: %d, selector: {matchLabels: {app: %s}}}
        status: {disruptionsAllowed: %d, expectedPods: %d, currentHealthy: %d, desiredHealthy: %d}
        """
            .formatted(name, desired, app, allowed, expected, healthy, desired));
  }

  /// @param status YAML
  static Companion companion(String status) {
    return read(
        Companion.class,
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: agent, namespace: storage, uid: u}
        spec:
          targetRef: {name: target}
          disruption: {policy: Auto, protect: [Nodes], maxUnavailable: 1, failurePolicy: Hold}
        status: %s
        """
            .formatted(status));
  }

  static Facts facts(Companion companion, PodDisruptionBudget... budgets) {
    return new Facts(
        Arrays.stream(budgets)
            .collect(Collectors.groupingBy(it -> it.getMetadata().getNamespace())),
        Map.of(CompanionRef.of(companion), companion),
        Map.of());
  }

  static Facts facts(PodDisruptionBudget... budgets) {
    return new Facts(Map.of(NAMESPACE, List.of(budgets)), Map.of(), Map.of());
  }

  static <T> T read(Class<T> type, String yaml) {
    return Serialization.unmarshal(yaml, type);
  }
}
