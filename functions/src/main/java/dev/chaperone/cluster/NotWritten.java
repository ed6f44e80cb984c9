package dev.chaperone.cluster;

import io.fabric8.kubernetes.client.KubernetesClientException;

/// A write that the API server did not answer: nobody knows whether it was made.
public final class NotWritten extends Unavailable {
  NotWritten(String message, KubernetesClientException cause) {
    super(message, cause);
  }
}
