package dev.chaperone.cluster;

import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.util.Optional;

/// What the API server itself said, for people: the client's account of it has the request, all of
/// the answer once more, and where the API server is.
final class Words {
  private Words() {}

  static String of(KubernetesClientException e) {
    return Optional.ofNullable(e.getStatus())
        .map(Status::getMessage)
        .filter(it -> !it.isBlank())
        .orElseGet(() -> e.getCode() > 0 ? "HTTP status " + e.getCode() : noAnswer(e));
  }

  private static String noAnswer(KubernetesClientException e) {
    return "no answer (%s)".formatted(root(e).getClass().getSimpleName());
  }

  /// What it began with.
  static Throwable root(Throwable failure) {
    Throwable cause = failure;
    while (cause.getCause() != null && cause.getCause() != cause) {
      cause = cause.getCause();
    }
    return cause;
  }
}
