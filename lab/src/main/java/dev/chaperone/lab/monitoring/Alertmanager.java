package dev.chaperone.lab.monitoring;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Installed;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.LoopbackPort;
import dev.chaperone.lab.programs.ServerProcess;
import dev.chaperone.lab.programs.WithParent;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The machine's own Alertmanager ([Installed#ALERTMANAGER]), on the loopback interface.
public final class Alertmanager implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final ServerProcess server;
  private final LocalHttp http;

  private Alertmanager(ServerProcess server, LocalHttp http) {
    this.server = server;
    this.http = http;
  }

  /// Starts one with nothing in it, and returns when it is ready.
  ///
  /// @param config its configuration
  /// @throws LabFailure if it is not installed, or refuses the configuration
  public static Alertmanager start(Lab lab, Path config) {
    LoopbackPort port = LoopbackPort.free();
    LocalHttp http = new LocalHttp("Alertmanager", port.uri());
    String name = "alertmanager-" + port;
    ServerProcess server =
        lab.startServer(
            name,
            WithParent.command(
                List.of(
                    Installed.ALERTMANAGER.program().toString(),
                    "--config.file=" + config,
                    "--storage.path=" + lab.folder().resolve(name),
                    // Otherwise it listens for peers on every interface.
                    "--cluster.listen-address=",
                    "--web.listen-address=127.0.0.1:" + port)),
            Map.of(),
            _ -> http.answers("/-/ready"));
    return new Alertmanager(server, http);
  }

  /// Where it listens.
  public URI address() {
    return http.root();
  }

  /// Tells it of an alert, as Prometheus does, that fires for an hour.
  public void fire(Map<String, String> labels) {
    Object alert =
        Map.of("labels", labels, "endsAt", Instant.now().plus(Duration.ofHours(1)).toString());
    http.post("/api/v2/alerts", JSON.valueToTree(List.of(alert)).toString());
  }

  /// What it has now: alerts that have not ended, whatever keeps their notifications back.
  public List<Alert> alerts() {
    List<Alert> alerts = new ArrayList<>();
    read("/api/v2/alerts").forEach(it -> alerts.add(new Alert(it)));
    return alerts;
  }

  /// Its silences, those that have ended too, as its API has them.
  public List<JsonNode> silences() {
    List<JsonNode> silences = new ArrayList<>();
    read("/api/v2/silences").forEach(silences::add);
    return silences;
  }

  /// An alert, as the API has it.
  public record Alert(JsonNode json) {
    /// One of its labels, such as `alertname`.
    public String label(String name) {
      return json.path("labels").path(name).asText();
    }

    /// By it other alerts say that this one inhibits them.
    public String fingerprint() {
      return json.path("fingerprint").asText();
    }

    /// Whether a silence or another alert keeps its notifications back.
    public boolean isSuppressed() {
      return json.at("/status/state").asText().equals("suppressed");
    }

    /// Fingerprints of the alerts that inhibit it.
    public List<String> inhibitedBy() {
      return texts(json.at("/status/inhibitedBy"));
    }

    /// Ids of the silences that match it.
    public List<String> silencedBy() {
      return texts(json.at("/status/silencedBy"));
    }

    private static List<String> texts(JsonNode list) {
      List<String> texts = new ArrayList<>();
      list.forEach(it -> texts.add(it.asText()));
      return texts;
    }
  }

  @Override
  public void close() {
    server.stop();
  }

  private JsonNode read(String path) {
    try {
      return JSON.readTree(http.get(path));
    } catch (JsonProcessingException e) {
      throw new LabFailure("Alertmanager answers no JSON", e);
    }
  }
}
