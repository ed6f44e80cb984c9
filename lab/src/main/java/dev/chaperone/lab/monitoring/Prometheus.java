package dev.chaperone.lab.monitoring;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Installed;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.LoopbackPort;
import dev.chaperone.lab.programs.ServerProcess;
import dev.chaperone.lab.programs.WithParent;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URLEncoder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/// The machine's own Prometheus ([Installed#PROMETHEUS]), on the loopback interface. It scrapes
/// kube-state-metrics and evaluates its rules every second, and tells an Alertmanager.
public final class Prometheus implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final ServerProcess server;
  private final LocalHttp http;

  private Prometheus(ServerProcess server, LocalHttp http) {
    this.server = server;
    this.http = http;
  }

  /// Starts one without a past, and returns when it is ready.
  ///
  /// @param rules rule files
  /// @throws LabFailure if it is not installed, or refuses a rule
  public static Prometheus start(
      Lab lab, KubeStateMetrics metrics, List<Path> rules, Alertmanager alertmanager) {
    LoopbackPort port = LoopbackPort.free();
    LocalHttp http = new LocalHttp("Prometheus", port.uri());
    String name = "prometheus-" + port;
    Path config = lab.folder().resolve(name + ".yaml");
    try {
      // The labels of kube-state-metrics count, as kube-prometheus has it.
      Files.writeString(
          config,
          """
          global: {scrape_interval: 1s, evaluation_interval: 1s}
          rule_files: [%s]
          alerting:
            alertmanagers: [{static_configs: [{targets: ["%s"]}]}]
          scrape_configs:
          - {job_name: kube-state-metrics, honor_labels: true, static_configs: [{targets: ["%s"]}]}
          """
              .formatted(
                  rules.stream().map(it -> "\"" + it + "\"").collect(Collectors.joining(", ")),
                  alertmanager.address().getAuthority(),
                  metrics.metrics().getAuthority()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    ServerProcess server =
        lab.startServer(
            name,
            WithParent.command(
                List.of(
                    Installed.PROMETHEUS.program().toString(),
                    "--config.file=" + config,
                    "--storage.tsdb.path=" + lab.folder().resolve(name),
                    "--web.listen-address=127.0.0.1:" + port)),
            Map.of(),
            _ -> http.answers("/-/ready"));
    return new Prometheus(server, http);
  }

  /// The samples that a query has now.
  ///
  /// @param promql evaluated at this moment
  public JsonNode query(String promql) {
    return read("/api/v1/query?query=" + URLEncoder.encode(promql, UTF_8));
  }

  /// The values that a label has now.
  ///
  /// @param series of which series
  public JsonNode labelValues(String label, String series) {
    return read(
        "/api/v1/label/%s/values?match%%5B%%5D=%s"
            .formatted(label, URLEncoder.encode(series, UTF_8)));
  }

  @Override
  public void close() {
    server.stop();
  }

  private JsonNode read(String path) {
    try {
      JsonNode data = JSON.readTree(http.get(path)).path("data");
      return data.has("result") ? data.path("result") : data;
    } catch (JsonProcessingException e) {
      throw new LabFailure("Prometheus answers no JSON", e);
    }
  }
}
