package dev.chaperone.lab.peer;

import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeSpec;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodSpecBuilder;
import io.fabric8.kubernetes.api.model.PodStatusBuilder;
import java.util.Optional;

/// What is kept in memory of objects of which there are thousands: what is read of them, and no
/// more.
final class Cached {
  private Cached() {}

  static Pod pod(Pod pod) {
    Pod kept = new Pod();
    kept.setMetadata(metadata(pod.getMetadata()));
    kept.setSpec(new PodSpecBuilder().withNodeName(pod.getSpec().getNodeName()).build());
    kept.setStatus(
        new PodStatusBuilder()
            .withPhase(Optional.ofNullable(pod.getStatus()).map(it -> it.getPhase()).orElse(null))
            .build());
    return kept;
  }

  static Node node(Node node) {
    Node kept = new Node();
    kept.setMetadata(
        new ObjectMetaBuilder()
            .withName(node.getMetadata().getName())
            .withUid(node.getMetadata().getUid())
            .withResourceVersion(node.getMetadata().getResourceVersion())
            .build());
    NodeSpec spec = new NodeSpec();
    spec.setUnschedulable(node.getSpec().getUnschedulable());
    spec.setTaints(node.getSpec().getTaints());
    kept.setSpec(spec);
    return kept;
  }

  private static ObjectMeta metadata(ObjectMeta metadata) {
    return new ObjectMetaBuilder()
        .withNamespace(metadata.getNamespace())
        .withName(metadata.getName())
        .withUid(metadata.getUid())
        .withResourceVersion(metadata.getResourceVersion())
        .withDeletionTimestamp(metadata.getDeletionTimestamp())
        .withLabels(metadata.getLabels())
        .withOwnerReferences(metadata.getOwnerReferences())
        .build();
  }
}
