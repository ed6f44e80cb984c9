package dev.chaperone.cluster;

import static dev.chaperone.cluster.ClusterReader.read;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.FollowerRef;
import dev.chaperone.cluster.Slim.SlimPod;
import dev.chaperone.decide.CompanionReady;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Scope;
import dev.chaperone.decide.Snapshot;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.util.List;
import java.util.Objects;

/// Reads where followers and their targets have pods, for the Companions that ask for the condition
/// of [CompanionReady].
final class FollowerReader {
  private final KubernetesClient client;
  private final Scope scope;

  FollowerReader(KubernetesClient client, Scope scope) {
    this.client = client;
    this.scope = scope;
  }

  /// @param all of them that ask for it
  List<CompanionReady.Asking> asking(List<Companion> all) {
    try (Parallel parallel = new Parallel()) {
      return all.stream().map(it -> parallel.run(() -> asking(it))).toList().stream()
          .map(parallel::result)
          .toList();
    }
  }

  private CompanionReady.Asking asking(Companion companion) {
    FollowerRef follower = Objects.requireNonNull(companion.getSpec().followerRef());
    return CompanionReady.Asking.of(
        CompanionRef.of(companion),
        pods(Snapshot.targetNamespace(companion), companion.getSpec().targetRef().name()),
        pods(companion.getMetadata().getNamespace(), follower.name()));
  }

  private List<Pod> pods(String namespace, String name) {
    if (!scope.covers(namespace) || !PathName.isOne(namespace) || !PathName.isOne(name)) {
      return List.of();
    }
    String what = "DaemonSet " + namespace + "/" + name;
    DaemonSet daemonSet =
        read(what, () -> client.apps().daemonSets().inNamespace(namespace).withName(name).get());
    return daemonSet == null
        ? List.of()
        : read(
                "pods of " + what,
                () ->
                    Listing.of(
                        client
                            .resources(SlimPod.class)
                            .inNamespace(namespace)
                            .withLabelSelector(daemonSet.getSpec().getSelector()),
                        null,
                        pod -> isOf(daemonSet, pod),
                        new Slim()::pod))
            .items();
  }

  private static boolean isOf(DaemonSet daemonSet, SlimPod pod) {
    return pod.getMetadata().getOwnerReferences().stream()
        .anyMatch(it -> Objects.equals(it.getUid(), daemonSet.getMetadata().getUid()));
  }
}
