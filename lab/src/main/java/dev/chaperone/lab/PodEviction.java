package dev.chaperone.lab;

import io.fabric8.kubernetes.api.model.DeleteOptionsBuilder;
import io.fabric8.kubernetes.api.model.policy.v1.EvictionBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;

/// Evictions of single pods, as drains ask for them.
public final class PodEviction {
  /// The answer where the pod may go.
  public static final int PASSED = 201;

  private PodEviction() {}

  /// Evicts the pod, if the API server lets it go.
  ///
  /// @return [#PASSED], or the status that it refused with: 429 by a budget, 403 by a policy
  public static int evict(KubernetesClient client, String namespace, String pod) {
    return ask(client, namespace, pod, new DeleteOptionsBuilder());
  }

  /// What [#evict] would be answered; nothing is evicted.
  public static int dryRun(KubernetesClient client, String namespace, String pod) {
    return ask(client, namespace, pod, new DeleteOptionsBuilder().withDryRun("All"));
  }

  private static int ask(
      KubernetesClient client, String namespace, String pod, DeleteOptionsBuilder options) {
    try {
      client.raw(
          "/api/v1/namespaces/%s/pods/%s/eviction".formatted(namespace, pod),
          "POST",
          new EvictionBuilder()
              .withNewMetadata()
              .withNamespace(namespace)
              .withName(pod)
              .endMetadata()
              .withDeleteOptions(options.build())
              .build());
      return PASSED;
    } catch (KubernetesClientException e) {
      return e.getCode();
    }
  }
}
