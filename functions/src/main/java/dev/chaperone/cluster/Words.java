package dev.chaperone.cluster;

import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.util.Optional;

/// What the API server itself said, for people: the client's account of it has the request, and all
/// of the answer once more.
final class Words {
  private Words() {}

  static String of(KubernetesClientException e) {
    return Optional.ofNullable(e.getStatus())
        .map(Status::getMessage)
        .filter(it -> !it.isBlank())
        .orElseGet(() -> String.valueOf(e.getMessage()));
  }
}
