package dev.chaperone.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.chaperone.cluster.Slim.SlimNode;
import dev.chaperone.cluster.Slim.SlimPod;
import io.fabric8.kubernetes.api.model.ContainerState;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodCondition;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// A pod and a node as the API server sends them, with everything set that a decision asks for,
/// read in part and in full.
class SlimTest {
  private static final String POD =
      """
      {"apiVersion": "v1", "kind": "Pod",
       "metadata": {
         "name": "agent-guards-5d4f8c7b9-x2x4z", "generateName": "agent-guards-5d4f8c7b9-",
         "namespace": "storage", "uid": "7a1e", "resourceVersion": "4711", "generation": 2,
         "creationTimestamp": "2026-11-24T06:00:00Z", "deletionTimestamp": "2026-11-24T07:00:30Z",
         "deletionGracePeriodSeconds": 30, "finalizers": ["example.com/slow"],
         "labels": {"app.kubernetes.io/component": "guard", "chaperone.dev/companion": "agent",
           "chaperone.dev/companion-uid": "c0ffee", "pod-template-hash": "5d4f8c7b9"},
         "annotations": {"much": "too long"},
         "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "agent-guards-5d4f8c7b9",
           "uid": "0815", "controller": true, "blockOwnerDeletion": true}],
         "managedFields": [{"manager": "kubelet", "operation": "Update", "apiVersion": "v1",
           "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {"f:phase": {}}}}]},
       "spec": {"nodeName": "node-1", "priority": 0, "hostNetwork": true,
         "containers": [{"name": "guard", "image": "pause", "resources": {}}],
         "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}]},
       "status": {"phase": "Pending", "reason": "OutOfpods", "message": "node is full", "qosClass": "BestEffort",
         "conditions": [
           {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-24T06:00:00Z"},
           {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "containers with unready status"}],
         "containerStatuses": [
           {"name": "side", "ready": true, "restartCount": 3, "image": "a", "imageID": "", "state": {"running": {"startedAt": "2026-11-24T06:00:00Z"}}},
           {"name": "guard", "ready": false, "restartCount": 0, "image": "b", "imageID": "", "lastState": {"terminated": {"exitCode": 1}},
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}}
      """;

  private static final String NODE =
      """
      {"apiVersion": "v1", "kind": "Node",
       "metadata": {"name": "node-1", "uid": "4712", "creationTimestamp": "2026-11-01T00:00:00Z",
         "deletionTimestamp": "2026-11-24T07:00:00Z", "labels": {"pool": "storage"}, "annotations": {"a": "b"}},
       "spec": {"podCIDR": "10.0.0.0/24", "providerID": "aws:///i-1", "unschedulable": true,
         "taints": [
           {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": "2026-11-24T06:59:00Z"},
           {"key": "maintenance", "value": "now", "effect": "NoExecute"}]},
       "status": {"capacity": {"pods": "110"}, "conditions": [{"type": "Ready", "status": "True"}],
         "images": [{"names": ["x"], "sizeBytes": 9}], "nodeInfo": {"kubeletVersion": "v1.34.4"}}}
      """;

  private final KubernetesSerialization client = client();

  @Test
  void of_a_pod_nothing_is_missing_that_a_decision_asks_for() {
    Pod seen = new Slim().pod(client.unmarshal(POD, SlimPod.class));
    Pod full = client.unmarshal(POD, Pod.class);

    assertMetadata(seen.getMetadata(), full.getMetadata());
    assertThat(seen.getMetadata().getLabels()).hasSize(4).isEqualTo(full.getMetadata().getLabels());
    assertThat(seen.getMetadata().getOwnerReferences())
        .hasSize(1)
        .isEqualTo(full.getMetadata().getOwnerReferences());
    assertThat(seen.getSpec().getNodeName()).isEqualTo("node-1");
    assertThat(seen.getStatus().getPhase()).isEqualTo("Pending");
    assertThat(seen.getStatus().getReason()).isEqualTo("OutOfpods");
    assertThat(seen.getStatus().getMessage()).isEqualTo("node is full");
    assertThat(seen.getStatus().getConditions())
        .filteredOn(it -> it.getType().equals("Ready"))
        .extracting(PodCondition::getStatus)
        .containsExactly("False");
    assertThat(waiting(seen)).hasSize(1).isEqualTo(waiting(full));
  }

  @Test
  void of_a_node_nothing_is_missing_that_a_decision_asks_for() {
    Node seen = new Slim().node(client.unmarshal(NODE, SlimNode.class));
    Node full = client.unmarshal(NODE, Node.class);

    assertMetadata(seen.getMetadata(), full.getMetadata());
    assertThat(seen.getSpec().getUnschedulable()).isTrue();
    assertThat(seen.getSpec().getTaints()).hasSize(2).isEqualTo(full.getSpec().getTaints());
  }

  @Test
  void of_a_nodes_labels_only_those_are_kept_that_a_decision_asks_for() {
    assertThat(labels(new Slim())).doesNotContainKey("pool");
    assertThat(labels(new Slim(Set.of("pool")))).containsEntry("pool", "storage");
  }

  private Map<String, String> labels(Slim slim) {
    Map<String, String> labels =
        slim.node(client.unmarshal(NODE, SlimNode.class)).getMetadata().getLabels();
    return labels == null ? Map.of() : labels;
  }

  @Test
  void no_two_of_a_list_have_lists_or_maps_of_their_own() throws IllegalAccessException {
    Slim slim = new Slim();
    List<SlimPod> pods =
        Stream.of(POD, POD.replace("node-1", "node-2").replace("-x2x4z", "-y3y5a"))
            .map(it -> client.unmarshal(it, SlimPod.class))
            .toList();
    Pod one = slim.pod(pods.getFirst());
    Pod other = slim.pod(pods.getLast());
    Node node = slim.node(client.unmarshal(NODE, SlimNode.class));
    Node next = slim.node(client.unmarshal(NODE.replace("node-1", "node-2"), SlimNode.class));

    assertThat(own(one, other)).isEmpty();
    assertThat(own(one.getMetadata(), other.getMetadata())).isEmpty();
    assertThat(own(one.getSpec(), other.getSpec())).isEmpty();
    assertThat(one.getStatus()).isSameAs(other.getStatus());
    assertThat(own(node, next)).isEmpty();
    assertThat(own(node.getMetadata(), next.getMetadata())).isEmpty();
    assertThat(node.getSpec()).isSameAs(next.getSpec());
    assertThat(node.getStatus()).isSameAs(next.getStatus());
  }

  /// Names of the lists and maps that the two do not share.
  private static List<String> own(Object one, Object other) throws IllegalAccessException {
    List<String> own = new ArrayList<>();
    for (Field field : one.getClass().getDeclaredFields()) {
      if (List.class.equals(field.getType()) || Map.class.equals(field.getType())) {
        field.setAccessible(true);
        if (field.get(one) != field.get(other)) {
          own.add(field.getName());
        }
      }
    }
    return own;
  }

  @Test
  void what_is_not_there_is_no_error() {
    Pod pod = new Slim().pod(client.unmarshal("{\"metadata\": {\"name\": \"a\"}}", SlimPod.class));
    Node node =
        new Slim().node(client.unmarshal("{\"metadata\": {\"name\": \"a\"}}", SlimNode.class));

    assertThat(pod.getSpec().getNodeName()).isNull();
    assertThat(pod.getStatus().getPhase()).isNull();
    assertThat(pod.getStatus().getConditions()).isEmpty();
    assertThat(pod.getMetadata().getOwnerReferences()).isEmpty();
    assertThat(node.getSpec().getUnschedulable()).isNull();
    assertThat(node.getSpec().getTaints()).isEmpty();
  }

  private static void assertMetadata(ObjectMeta seen, ObjectMeta full) {
    assertThat(seen.getNamespace()).isEqualTo(full.getNamespace());
    assertThat(seen.getName()).isEqualTo(full.getName());
    assertThat(seen.getUid()).isEqualTo(full.getUid());
    assertThat(seen.getCreationTimestamp()).isEqualTo(full.getCreationTimestamp());
    assertThat(seen.getDeletionTimestamp()).isNotNull().isEqualTo(full.getDeletionTimestamp());
  }

  private static List<ContainerState> waiting(Pod pod) {
    return pod.getStatus().getContainerStatuses().stream()
        .map(ContainerStatus::getState)
        .filter(it -> Objects.nonNull(it.getWaiting()))
        .toList();
  }

  /// As the functions' client reads.
  private static KubernetesSerialization client() {
    ObjectMapper mapper = new ObjectMapper();
    new PlainParts().customize(mapper);
    return new KubernetesSerialization(mapper, true);
  }
}
