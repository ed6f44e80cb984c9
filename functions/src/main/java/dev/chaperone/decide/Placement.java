package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.Affinity;
import io.fabric8.kubernetes.api.model.NodeAffinity;
import io.fabric8.kubernetes.api.model.NodeSelectorTerm;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.PreferredSchedulingTerm;
import io.fabric8.kubernetes.api.model.Toleration;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What decides on which nodes a DaemonSet runs. Absent and empty parts mean the same.
public record Placement(
    Map<String, String> nodeSelector,
    List<NodeSelectorTerm> requiredNodes,
    List<PreferredSchedulingTerm> preferredNodes,
    List<Toleration> tolerations) {

  private static final String POD_SPEC = "/spec/template/spec";

  static Placement of(DaemonSet daemonSet) {
    PodSpec pod = daemonSet.getSpec().getTemplate().getSpec();
    NodeAffinity affinity =
        Optional.ofNullable(pod.getAffinity())
            .map(Affinity::getNodeAffinity)
            .orElseGet(NodeAffinity::new);
    return new Placement(
        pod.getNodeSelector() == null ? Map.of() : pod.getNodeSelector(),
        Optional.ofNullable(affinity.getRequiredDuringSchedulingIgnoredDuringExecution())
            .map(required -> orEmpty(required.getNodeSelectorTerms()))
            .orElse(List.of()),
        orEmpty(affinity.getPreferredDuringSchedulingIgnoredDuringExecution()),
        orEmpty(pod.getTolerations()));
  }

  /// JSON pointers of the parts that are not so in `wanted`, or not here and there.
  List<String> differing(Placement wanted) {
    SortedMap<String, Object> here = parts();
    SortedMap<String, Object> there = wanted.parts();
    return Stream.concat(here.keySet().stream(), there.keySet().stream())
        .distinct()
        .filter(pointer -> !Objects.equals(here.get(pointer), there.get(pointer)))
        .toList();
  }

  /// JSON pointers of the parts that are here and not at all in `wanted`.
  List<String> surplus(Placement wanted) {
    return parts().keySet().stream()
        .filter(pointer -> !wanted.parts().containsKey(pointer))
        .toList();
  }

  /// The parts that are not empty, as server-side apply tells them apart: each as a whole, the
  /// nodeSelector too (`mapType=atomic`).
  private SortedMap<String, Object> parts() {
    SortedMap<String, Object> parts = new TreeMap<>();
    if (!nodeSelector.isEmpty()) {
      parts.put(POD_SPEC + "/nodeSelector", nodeSelector);
    }
    String affinity = POD_SPEC + "/affinity/nodeAffinity/";
    if (!requiredNodes.isEmpty()) {
      parts.put(affinity + "requiredDuringSchedulingIgnoredDuringExecution", requiredNodes);
    }
    if (!preferredNodes.isEmpty()) {
      parts.put(affinity + "preferredDuringSchedulingIgnoredDuringExecution", preferredNodes);
    }
    if (!tolerations.isEmpty()) {
      parts.put(POD_SPEC + "/tolerations", tolerations);
    }
    return parts;
  }

  private static <T> List<T> orEmpty(@Nullable List<T> list) {
    return list == null ? List.of() : list;
  }
}
