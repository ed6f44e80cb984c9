package dev.chaperone.cluster;

import dev.chaperone.telemetry.ApiCalls;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import io.vertx.core.Vertx;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.inject.Disposes;
import jakarta.enterprise.inject.Produces;

/// The client for all calls to the API server, each of which is seen by [ApiCalls].
class ApiClient {
  @Produces
  @ApplicationScoped
  KubernetesClient client(
      Config config, KubernetesSerialization serialization, ApiCalls calls, Vertx vertx) {
    return new KubernetesClientBuilder()
        .withConfig(config)
        .withHttpClientFactory(new NativeTls(vertx))
        .withKubernetesSerialization(serialization)
        .withHttpClientBuilderConsumer(
            http -> http.addOrReplaceInterceptor(ApiCalls.class.getSimpleName(), calls))
        .build();
  }

  void close(@Disposes KubernetesClient client) {
    client.close();
  }
}
