package dev.chaperone.kubectl;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.KubernetesClientTimeoutException;
import io.fabric8.kubernetes.client.dsl.Resource;
import java.time.Duration;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/// Until Chaperone has seen what a command wrote.
final class Waiting {
  private Waiting() {}

  /// The object once it is so, or as it is when there is no more time.
  ///
  /// @param written as it was last known
  /// @param doing such as `see whether Hold freeze is enforced`
  /// @throws Problem if it cannot be watched
  static <T extends HasMetadata> T until(
      Resource<T> resource, T written, Predicate<T> isSo, Duration atMost, String doing) {
    try {
      return Objects.requireNonNull(
          resource.waitUntilCondition(
              it -> it != null && isSo.test(it), atMost.toMillis(), TimeUnit.MILLISECONDS));
    } catch (KubernetesClientTimeoutException e) {
      return Optional.ofNullable(resource.get()).orElse(written);
    } catch (KubernetesClientException e) {
      throw Problem.of(doing, e);
    }
  }
}
