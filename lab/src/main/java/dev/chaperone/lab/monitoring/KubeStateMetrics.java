package dev.chaperone.lab.monitoring;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Binaries.Module;
import dev.chaperone.lab.programs.LoopbackPort;
import dev.chaperone.lab.programs.ServerProcess;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The real kube-state-metrics, with metrics of custom resources and of what else it is told to
/// report, and the rights of a ServiceAccount.
public final class KubeStateMetrics implements AutoCloseable {
  private static final String METRICS = "/metrics";

  private final ServerProcess server;
  private final LocalHttp http;

  private KubeStateMetrics(ServerProcess server, LocalHttp http) {
    this.server = server;
    this.http = http;
  }

  /// Returns when it serves its metrics page; which objects are on it by then is not said.
  ///
  /// @param config a file for `--custom-resource-state-config-file`
  /// @param resources what it reports besides, such as `poddisruptionbudgets`
  public static KubeStateMetrics start(
      Lab lab, Path config, String namespace, String serviceAccount, String... resources) {
    LoopbackPort port = LoopbackPort.free();
    LocalHttp http = new LocalHttp("kube-state-metrics", port.uri());
    List<String> command =
        new ArrayList<>(
            List.of(
                lab.program(Module.KUBE_STATE_METRICS).toString(),
                "--kubeconfig=" + lab.kubeconfig(namespace, serviceAccount),
                "--custom-resource-state-config-file=" + config,
                "--host=127.0.0.1",
                "--port=" + port,
                "--telemetry-host=127.0.0.1",
                "--telemetry-port=" + LoopbackPort.free()));
    command.add(
        resources.length == 0
            ? "--custom-resource-state-only"
            : "--resources=" + String.join(",", resources));
    ServerProcess server =
        lab.startServer("kube-state-metrics", command, Map.of(), _ -> http.answers(METRICS));
    return new KubeStateMetrics(server, http);
  }

  /// The page that Prometheus reads.
  ///
  /// @throws LabFailure if there is none
  public String scrape() {
    return http.get(METRICS);
  }

  /// Where that page is.
  public URI metrics() {
    return http.root().resolve(METRICS);
  }

  @Override
  public void close() {
    server.stop();
  }
}
