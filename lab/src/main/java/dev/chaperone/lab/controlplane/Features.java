package dev.chaperone.lab.controlplane;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// What Kubernetes leaves off and a cluster has on.
///
/// @param gates names of feature gates of the API server and the controller manager
/// @param apis group versions that the API server serves besides, such as
///     `lifecycle.k8s.io/v1alpha1`
public record Features(List<String> gates, List<String> apis) {
  /// Kubernetes as it comes.
  public static final Features NONE = new Features(List.of(), List.of());

  public Features {
    gates = List.copyOf(gates);
    apis = List.copyOf(apis);
  }

  /// Arguments of the API server.
  List<String> ofApiServer() {
    return Stream.of(ofControllerManager(), on("--runtime-config=", apis))
        .flatMap(List::stream)
        .toList();
  }

  /// Arguments of the controller manager.
  List<String> ofControllerManager() {
    return on("--feature-gates=", gates);
  }

  private static List<String> on(String flag, List<String> names) {
    return names.isEmpty()
        ? List.of()
        : List.of(
            names.stream().map(it -> it + "=true").collect(Collectors.joining(",", flag, "")));
  }
}
