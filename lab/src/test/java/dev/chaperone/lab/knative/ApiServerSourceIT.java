package dev.chaperone.lab.knative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpServer;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.programs.LabFailure;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

@ExtendWith(LabExtension.class)
class ApiServerSourceIT {
  private static final String RIGHTS =
      """
      apiVersion: v1
      kind: Namespace
      metadata: {name: watched}
      ---
      apiVersion: v1
      kind: ServiceAccount
      metadata: {name: watcher, namespace: watched}
      ---
      apiVersion: rbac.authorization.k8s.io/v1
      kind: Role
      metadata: {name: watcher, namespace: watched}
      rules:
        - {apiGroups: [""], resources: [configmaps], verbs: [get, list, watch]}
      ---
      apiVersion: rbac.authorization.k8s.io/v1
      kind: RoleBinding
      metadata: {name: watcher, namespace: watched}
      roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: watcher}
      subjects: [{kind: ServiceAccount, name: watcher, namespace: watched}]
      """;

  private static final String SOURCE =
      """
      apiVersion: sources.knative.dev/v1
      kind: ApiServerSource
      metadata: {name: maps, namespace: watched}
      spec:
        serviceAccountName: watcher
        mode: Reference
        resources:
          - apiVersion: v1
            kind: ConfigMap
            selector: {matchLabels: {news: "yes"}}
        sink: {ref: {apiVersion: v1, kind: Service, name: ignored}}
      """;

  private final Lab lab;
  private final List<Headers> events = new CopyOnWriteArrayList<>();
  private final HttpServer sink;
  @TempDir Path folder;

  ApiServerSourceIT(Lab lab) throws IOException {
    this.lab = lab;
    this.sink = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
  }

  @BeforeEach
  void open() throws IOException {
    lab.apply(Files.writeString(folder.resolve("rights.yaml"), RIGHTS));
    sink.createContext(
        "/",
        exchange -> {
          events.add(exchange.getRequestHeaders());
          exchange.getRequestBody().readAllBytes();
          exchange.sendResponseHeaders(202, -1);
          exchange.close();
        });
    sink.start();
  }

  @AfterEach
  void close() {
    sink.stop(0);
  }

  @Test
  void a_created_object_arrives_as_an_event_and_an_unlabelled_one_does_not() throws IOException {
    try (ApiServerSource _ = ApiServerSource.start(lab, sinkAddress(), manifest(SOURCE))) {
      create("silent", "no");
      create("loud", "yes");

      await().atMost(Duration.ofSeconds(60)).until(() -> !events.isEmpty());
    }

    assertThat(events).hasSize(1);
    Headers event = events.getFirst();
    assertThat(event.getFirst("ce-type")).isEqualTo("dev.knative.apiserver.ref.add");
    assertThat(event.getFirst("ce-kind")).isEqualTo("ConfigMap");
    assertThat(event.getFirst("ce-name")).isEqualTo("loud");
    assertThat(event.getFirst("ce-namespace")).isEqualTo("watched");
  }

  @Test
  void a_kind_that_the_cluster_does_not_know_is_refused_by_name() {
    assertThatThrownBy(
            () ->
                ApiServerSource.start(
                    lab, sinkAddress(), manifest(SOURCE.replace("ConfigMap", "Map"))))
        .isInstanceOf(LabFailure.class)
        .hasMessageContaining("v1 Map");
  }

  private void create(String name, String news) {
    lab.client()
        .resource(
            new ConfigMapBuilder()
                .withNewMetadata()
                .withNamespace("watched")
                .withName(name)
                .addToLabels("news", news)
                .endMetadata()
                .build())
        .create();
  }

  private Path manifest(String text) throws IOException {
    return Files.writeString(folder.resolve("source.yaml"), text);
  }

  private URI sinkAddress() {
    return URI.create("http://127.0.0.1:" + sink.getAddress().getPort() + "/");
  }
}
