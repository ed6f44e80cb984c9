package dev.chaperone.lab;

import dev.chaperone.lab.Binaries.Module;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/// The real kube-state-metrics, with metrics of custom resources only, and the rights of a
/// ServiceAccount.
public final class KubeStateMetrics implements AutoCloseable {
  private static final int HTTP_OK = 200;
  private static final Duration ANSWER = Duration.ofSeconds(5);
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  private final ServerProcess server;
  private final URI metrics;

  private KubeStateMetrics(ServerProcess server, URI metrics) {
    this.server = server;
    this.metrics = metrics;
  }

  /// Returns when it serves its metrics page; which objects are on it by then is not said.
  ///
  /// @param config a file for `--custom-resource-state-config-file`
  public static KubeStateMetrics start(
      Lab lab, Path config, String namespace, String serviceAccount) {
    int port = LoopbackPort.free().number();
    int telemetry = LoopbackPort.free().number();
    URI metrics = URI.create("http://127.0.0.1:" + port + "/metrics");
    ServerProcess server =
        lab.startServer(
            "kube-state-metrics",
            List.of(
                lab.program(Module.KUBE_STATE_METRICS).toString(),
                "--kubeconfig=" + lab.kubeconfig(namespace, serviceAccount),
                "--custom-resource-state-only",
                "--custom-resource-state-config-file=" + config,
                "--host=127.0.0.1",
                "--port=" + port,
                "--telemetry-host=127.0.0.1",
                "--telemetry-port=" + telemetry),
            Map.of(),
            _ -> answers(metrics));
    return new KubeStateMetrics(server, metrics);
  }

  /// The page that Prometheus reads.
  ///
  /// @throws LabFailure if there is none
  public String scrape() {
    try {
      return get(metrics).body();
    } catch (IOException e) {
      throw new LabFailure("kube-state-metrics does not answer", e);
    }
  }

  @Override
  public void close() {
    server.askToEnd();
    server.awaitEnd();
  }

  private static boolean answers(URI metrics) {
    try {
      return get(metrics).statusCode() == HTTP_OK;
    } catch (IOException notYet) {
      return false;
    }
  }

  private static HttpResponse<String> get(URI uri) throws IOException {
    try {
      return HTTP.send(
          HttpRequest.newBuilder(uri).timeout(ANSWER).build(), BodyHandlers.ofString());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("Interrupted while asking kube-state-metrics");
    }
  }
}
