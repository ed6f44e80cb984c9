package dev.chaperone.kubectl;

import dev.chaperone.lab.Lab;
import io.fabric8.kubernetes.api.model.Pod;
import java.util.List;
import java.util.Map;

/// What the plugin is asked about.
final class Scenes {
  /// The status of a guard whose image is missing, as a kubelet reports it.
  static final String CANNOT_START =
      """
      {"status": {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{"name": "guard", "image": "pause", "imageID": "", "ready": false, "restartCount": 0,
          "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image pause"}}}]}}""";

  private Scenes() {}

  /// A target on nodes of its own, `name-1` and so on, and a Companion for it, in a namespace of
  /// that name.
  ///
  /// @param disruption YAML of spec.disruption
  static void companion(Lab lab, String name, int nodes, String disruption) {
    for (int node = 1; node <= nodes; node++) {
      lab.addNode(name + "-" + node, Map.of("pool", name));
    }
    lab.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}".formatted(name));
    lab.addDaemonSet(name, "target", "{pool: %s}".formatted(name));
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: agent, namespace: %1$s}
        spec:
          targetRef: {name: target}
          disruption: %2$s
        """
            .formatted(name, disruption));
  }

  static List<Pod> pods(Lab lab, String node) {
    return lab.client().pods().inAnyNamespace().withField("spec.nodeName", node).list().getItems();
  }

  static Pod guard(Lab lab, String node) {
    return pods(lab, node).stream().filter(DrainedPods::isGuard).findFirst().orElseThrow();
  }

  /// Writes the status of a pod as its kubelet does.
  static void report(Lab lab, Pod pod, String status) {
    lab.reportPod(pod.getMetadata().getNamespace(), pod.getMetadata().getName(), status);
  }
}
