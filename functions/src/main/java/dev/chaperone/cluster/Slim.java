package dev.chaperone.cluster;

import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodStatus;

/// Of the objects that there are thousands of, what a decision can depend on, and nothing else: a
/// cluster's pods and nodes in full do not fit in memory.
final class Slim {
  private Slim() {}

  static Pod pod(Pod pod) {
    PodStatus status = pod.getStatus() == null ? new PodStatus() : pod.getStatus();
    return new PodBuilder()
        .withMetadata(metadata(pod.getMetadata()))
        .withNewSpec()
        .withNodeName(pod.getSpec().getNodeName())
        .endSpec()
        .withNewStatus()
        .withPhase(status.getPhase())
        .withReason(status.getReason())
        .withMessage(status.getMessage())
        .endStatus()
        .build();
  }

  static Node node(Node node) {
    NodeBuilder slim = new NodeBuilder().withMetadata(metadata(node.getMetadata()));
    return node.getSpec() == null
        ? slim.build()
        : slim.withNewSpec()
            .withUnschedulable(node.getSpec().getUnschedulable())
            .withTaints(node.getSpec().getTaints())
            .endSpec()
            .build();
  }

  private static ObjectMeta metadata(ObjectMeta metadata) {
    return new ObjectMetaBuilder()
        .withNamespace(metadata.getNamespace())
        .withName(metadata.getName())
        .withUid(metadata.getUid())
        .withLabels(metadata.getLabels())
        .withOwnerReferences(metadata.getOwnerReferences())
        .withCreationTimestamp(metadata.getCreationTimestamp())
        .withDeletionTimestamp(metadata.getDeletionTimestamp())
        .build();
  }
}
