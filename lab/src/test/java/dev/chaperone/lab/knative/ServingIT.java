package dev.chaperone.lab.knative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.knative.Serving.Program;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LabExtension.class)
class ServingIT {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private static final Program ECHO =
      new Program(
          List.of(
              Path.of(System.getProperty("java.home"), "bin", "java").toString(),
              "-cp",
              System.getProperty("java.class.path"),
              Echo.class.getName()));

  private static final String SERVICE =
      """
      apiVersion: serving.knative.dev/v1
      kind: Service
      metadata: {name: echo, namespace: served}
      spec:
        template:
          metadata:
            annotations: {autoscaling.knative.dev/window: 6s}
          spec:
            serviceAccountName: echo
            containers:
            - image: none
              env: [{name: GREETING, value: %s}]
      """;

  private static final String ACCOUNT =
      """
      apiVersion: v1
      kind: ServiceAccount
      metadata: {name: echo, namespace: served}
      """;

  private final Lab lab;
  private final Eventing eventing;

  ServingIT(Lab lab, Eventing eventing) {
    this.lab = lab;
    this.eventing = eventing;
  }

  @Test
  void a_service_runs_while_it_is_asked_and_as_its_manifest_says() throws Exception {
    lab.client()
        .resource(new NamespaceBuilder().withNewMetadata().withName("served").endMetadata().build())
        .create();
    try (Serving serving = Serving.start(eventing, ECHO)) {
      apply(SERVICE.formatted("hello"));
      // In the order in which nobody would apply them.
      apply(ACCOUNT);
      FunctionsOnDemand functions = serving.functions("served", "echo");
      lab.kubectl(
              "wait",
              "service.serving.knative.dev/echo",
              "-n",
              "served",
              "--for=condition=Ready",
              "--timeout=60s")
          .orFail();
      assertThat(functions.isRunning()).isFalse();

      HttpResponse<String> answer = ask(url());
      assertThat(answer.statusCode()).isEqualTo(202);
      assertThat(answer.headers().firstValue("greeting")).contains("hello");
      assertThat(functions.starts()).isOne();
      await().atMost(PATIENCE).until(() -> !functions.isRunning());

      apply(SERVICE.formatted("goodbye"));
      await()
          .atMost(PATIENCE)
          .until(() -> ask(url()).headers().firstValue("greeting").orElse("").equals("goodbye"));
    }
  }

  private void apply(String yaml) {
    lab.client()
        .load(new ByteArrayInputStream(yaml.getBytes(StandardCharsets.UTF_8)))
        .items()
        .forEach(item -> lab.client().resource(item).fieldManager("test").serverSideApply());
  }

  /// What Knative's own resolver would read.
  private URI url() {
    return URI.create(
        lab.kubectl(
                "get",
                "service.serving.knative.dev/echo",
                "-n",
                "served",
                "-o",
                "jsonpath={.status.address.url}")
            .orFail()
            .out());
  }

  private HttpResponse<String> ask(URI url) throws IOException, InterruptedException {
    URI router = eventing.router().address();
    try (HttpClient client =
        HttpClient.newBuilder()
            .proxy(ProxySelector.of(new InetSocketAddress(router.getHost(), router.getPort())))
            .build()) {
      return client.send(
          HttpRequest.newBuilder(url).header("ce-id", "1").GET().build(), BodyHandlers.ofString());
    }
  }
}
