package dev.chaperone.cluster;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.JsonDeserializer;
import com.fasterxml.jackson.databind.annotation.JsonDeserialize;
import dev.chaperone.cluster.Slim.SlimPod.PodState;
import dev.chaperone.decide.CompanionReady;
import dev.chaperone.decide.DrainBlocked;
import dev.chaperone.decide.Made;
import dev.chaperone.decide.Maintenance;
import io.fabric8.kubernetes.api.model.ContainerStateWaiting;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.ContainerStatusBuilder;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Namespaced;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.api.model.NodeSpec;
import io.fabric8.kubernetes.api.model.NodeStatus;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodCondition;
import io.fabric8.kubernetes.api.model.PodConditionBuilder;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.PodStatus;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.Kind;
import io.fabric8.kubernetes.model.annotation.Plural;
import io.fabric8.kubernetes.model.annotation.Version;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Of the objects that there are thousands of, what a decision can depend on: nothing else is read
/// of them, and what many of one list have in common is kept once, empty lists and maps too. In
/// full, a cluster's pods and nodes would not fit in memory, and take seconds to read.
final class Slim {
  private static final String READY = "Ready";

  private final Map<Object, Object> kept = new HashMap<>();
  private final Set<String> labels;

  Slim() {
    this(Set.of());
  }

  /// @param labels keys of those that are to be kept of nodes, besides their failure domains'
  Slim(Set<String> labels) {
    this.labels = labels;
  }

  /// A Pod on the wire.
  @Group("")
  @Version("v1")
  @Kind("Pod")
  @Plural("pods")
  @JsonDeserialize(using = JsonDeserializer.None.class)
  static final class SlimPod extends Read implements Namespaced {
    private @Nullable PodPlace spec;
    private @Nullable PodState status;

    @JsonIgnoreProperties(ignoreUnknown = true)
    record PodPlace(@Nullable String nodeName) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record PodState(
        @Nullable String phase,
        @Nullable String reason,
        @Nullable String message,
        @Nullable List<SlimCondition> conditions,
        @Nullable List<SlimContainer> containerStatuses) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record SlimCondition(String type, String status) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record SlimContainer(@Nullable SlimContainerState state) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record SlimContainerState(@Nullable ContainerStateWaiting waiting) {}

    public void setSpec(PodPlace spec) {
      this.spec = spec;
    }

    public void setStatus(PodState status) {
      this.status = status;
    }
  }

  /// A Node on the wire.
  @Group("")
  @Version("v1")
  @Kind("Node")
  @Plural("nodes")
  @JsonDeserialize(using = JsonDeserializer.None.class)
  static final class SlimNode extends Read {
    private @Nullable NodeState spec;
    private @Nullable NodeReport status;

    @JsonIgnoreProperties(ignoreUnknown = true)
    record NodeState(@Nullable Boolean unschedulable, @Nullable List<Taint> taints) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record NodeReport(@Nullable List<NodeCondition> conditions) {}

    public void setSpec(NodeState spec) {
      this.spec = spec;
    }

    public void setStatus(NodeReport status) {
      this.status = status;
    }
  }

  @JsonIgnoreProperties(ignoreUnknown = true)
  abstract static class Read implements HasMetadata {
    private SlimMeta metadata = new SlimMeta();

    @Override
    public SlimMeta getMetadata() {
      return metadata;
    }

    @Override
    @JsonDeserialize(as = SlimMeta.class)
    public void setMetadata(ObjectMeta metadata) {
      this.metadata = (SlimMeta) metadata;
    }

    @Override
    public void setApiVersion(String version) {
      // The one that was asked for.
    }
  }

  /// Without what takes most of its room on the wire.
  @JsonIgnoreProperties({"annotations", "managedFields"})
  @JsonDeserialize(using = JsonDeserializer.None.class)
  static final class SlimMeta extends ObjectMeta {}

  /// The same object without what says who wrote which of its fields, which takes more room than
  /// all else of it.
  static <T extends HasMetadata> T slim(T read) {
    read.getMetadata().setManagedFields(List.of());
    return read;
  }

  /// The same Deployment, of which others' fields of the spec make a difference.
  Deployment deployment(Deployment read) {
    read.getMetadata()
        .setManagedFields(
            read.getMetadata().getManagedFields().stream()
                .filter(it -> !Made.FIELD_MANAGER.equals(it.getManager()))
                .filter(it -> it.getSubresource() == null)
                .toList());
    PodTemplateSpec template = read.getSpec().getTemplate();
    template.setSpec(once(template.getSpec()));
    return read;
  }

  Pod pod(SlimPod read) {
    Pod pod = new Pod();
    pod.setMetadata(metadata(read.getMetadata()));
    pod.getMetadata().setResourceVersion(read.getMetadata().getResourceVersion());
    pod.getMetadata().setLabels(once(read.getMetadata().getLabels()));
    pod.getMetadata().setOwnerReferences(once(read.getMetadata().getOwnerReferences()));
    pod.setSpec(on(read.spec == null ? null : read.spec.nodeName()));
    pod.setAdditionalProperties(Map.of());
    PodStatus status = new PodStatus();
    if (read.status != null) {
      status.setPhase(read.status.phase());
      status.setReason(read.status.reason());
      status.setMessage(read.status.message());
      status.setConditions(ready(read.status));
      status.setContainerStatuses(waiting(read.status));
    }
    pod.setStatus(once(status));
    return pod;
  }

  private static PodSpec on(@Nullable String node) {
    PodSpec spec = new PodSpec();
    spec.setNodeName(node);
    spec.setContainers(List.of());
    spec.setEphemeralContainers(List.of());
    spec.setHostAliases(List.of());
    spec.setImagePullSecrets(List.of());
    spec.setInitContainers(List.of());
    spec.setNodeSelector(Map.of());
    spec.setOverhead(Map.of());
    spec.setReadinessGates(List.of());
    spec.setResourceClaims(List.of());
    spec.setSchedulingGates(List.of());
    spec.setTolerations(List.of());
    spec.setTopologySpreadConstraints(List.of());
    spec.setVolumes(List.of());
    spec.setAdditionalProperties(Map.of());
    return spec;
  }

  private static List<PodCondition> ready(PodState status) {
    return Stream.ofNullable(status.conditions())
        .flatMap(List::stream)
        .filter(it -> it.type().equals(READY))
        .map(it -> new PodConditionBuilder().withType(READY).withStatus(it.status()).build())
        .toList();
  }

  private static List<ContainerStatus> waiting(PodState status) {
    return Stream.ofNullable(status.containerStatuses())
        .flatMap(List::stream)
        .filter(it -> it.state() != null && it.state().waiting() != null)
        .map(
            it ->
                new ContainerStatusBuilder()
                    .withNewState()
                    .withWaiting(it.state().waiting())
                    .endState()
                    .build())
        .toList();
  }

  Node node(SlimNode read) {
    Node node = new Node();
    node.setMetadata(metadata(read.getMetadata()));
    node.getMetadata().setResourceVersion(read.getMetadata().getResourceVersion());
    node.getMetadata().setLabels(some(read.getMetadata().getLabels()));
    NodeSpec spec = new NodeSpec();
    if (read.spec != null) {
      spec.setUnschedulable(read.spec.unschedulable());
      spec.setTaints(read.spec.taints());
    }
    node.setSpec(once(spec));
    node.setAdditionalProperties(Map.of());
    NodeStatus status = new NodeStatus();
    status.setConditions(
        Stream.ofNullable(read.status)
            .flatMap(it -> Stream.ofNullable(it.conditions()))
            .flatMap(List::stream)
            .filter(
                it ->
                    DrainBlocked.CONDITION.equals(it.getType())
                        || CompanionReady.CONDITION.equals(it.getType())
                        || Maintenance.isOfMaintenance(it))
            .toList());
    node.setStatus(once(status));
    return node;
  }

  /// The labels that may say in which failure domain a node is, and those that Holds ask for.
  private @Nullable Map<String, String> some(@Nullable Map<String, String> labels) {
    Map<String, String> some = new HashMap<>();
    if (labels != null) {
      labels.forEach(
          (key, value) -> {
            if (key.startsWith("topology.") || this.labels.contains(key)) {
              some.put(once(key), once(value));
            }
          });
    }
    return some.isEmpty() ? null : once(some);
  }

  private ObjectMeta metadata(ObjectMeta read) {
    ObjectMeta metadata = new ObjectMeta();
    metadata.setNamespace(once(read.getNamespace()));
    metadata.setName(read.getName());
    metadata.setUid(read.getUid());
    metadata.setCreationTimestamp(once(read.getCreationTimestamp()));
    metadata.setDeletionTimestamp(read.getDeletionTimestamp());
    metadata.setAnnotations(Map.of());
    metadata.setFinalizers(List.of());
    metadata.setManagedFields(List.of());
    metadata.setOwnerReferences(List.of());
    metadata.setAdditionalProperties(Map.of());
    return metadata;
  }

  @SuppressWarnings("unchecked") // it is equal to what was asked for
  private <T> @Nullable T once(@Nullable T value) {
    return value == null ? null : (T) kept.computeIfAbsent(value, same -> same);
  }
}
