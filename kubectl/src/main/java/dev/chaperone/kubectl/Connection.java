package dev.chaperone.kubectl;

import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.File;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// Which cluster is asked, and as whom: as kubectl finds it.
final class Connection {
  private static final Duration TIMEOUT = Duration.ofSeconds(30);

  @Option(
      names = "--kubeconfig",
      paramLabel = "FILE",
      description = "Path to the kubeconfig file; default: as kubectl finds it.")
  private @Nullable File kubeconfig;

  @Option(
      names = "--context",
      paramLabel = "NAME",
      description = "The context of the kubeconfig file to use.")
  private @Nullable String context;

  /// A client for one command; the caller closes it.
  ///
  /// @throws Problem if the kubeconfig file or the context does not exist
  KubernetesClient open() {
    if (kubeconfig != null && !kubeconfig.isFile()) {
      throw new Problem(
          "The kubeconfig file %s does not exist: correct --kubeconfig".formatted(kubeconfig));
    }
    Config config =
        kubeconfig == null
            ? Config.autoConfigure(context)
            : Config.fromKubeconfig(context, kubeconfig);
    if (context != null
        && (config.getCurrentContext() == null
            || !context.equals(config.getCurrentContext().getName()))) {
      throw new Problem(
          "The context %s does not exist: kubectl config get-contexts lists those that do"
              .formatted(context));
    }
    config.setRequestTimeout((int) TIMEOUT.toMillis());
    config.setConnectionTimeout((int) TIMEOUT.toMillis());
    // A refused eviction is an answer. Asked again by itself, it would only come later.
    config.setRequestRetryBackoffLimit(0);
    return new KubernetesClientBuilder().withConfig(config).build();
  }
}
