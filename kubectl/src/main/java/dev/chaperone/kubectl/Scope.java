package dev.chaperone.kubectl;

import io.fabric8.kubernetes.client.KubernetesClient;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Which namespace, as kubectl takes it.
final class Scope {
  @Option(
      names = {"-n", "--namespace"},
      paramLabel = "NAMESPACE",
      description = "The namespace; default: that of the context.")
  private @Nullable String namespace;

  /// The one that is named, else the context's, else `default`.
  String namespace(KubernetesClient client) {
    return Optional.ofNullable(namespace)
        .or(() -> Optional.ofNullable(client.getNamespace()))
        .orElse("default");
  }
}
