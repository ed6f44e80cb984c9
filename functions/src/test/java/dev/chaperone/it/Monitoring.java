package dev.chaperone.it;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.monitoring.Alertmanager;
import dev.chaperone.lab.monitoring.KubeStateMetrics;
import dev.chaperone.lab.monitoring.Prometheus;
import dev.chaperone.lab.programs.Installed;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;
import org.junit.jupiter.api.Assumptions;

/// The shipped monitoring on a lab: the real kube-state-metrics, Prometheus and Alertmanager with
/// the files of `knative/monitoring`, at a pace for tests, and a pager.
///
/// The pace is this change to the rule files, and nothing else:
///
/// | shipped | here |
/// |---|---|
/// | `for:` of any length, in the alerts of Chaperone | `for: 2s` |
/// | `for:` of any length, in the alerts about budgets that clusters come with | `for: 10s` |
/// | `> 24 * 3600`, the age from which ChaperoneHeldTooLong counts | `> 5` |
/// | `[3m]`, how long ChaperoneBlocksDisruptions outlasts an opening | `[20s]` |
///
/// Scrapes and evaluations come every second instead of every half minute, and Alertmanager groups
/// for one second.
final class Monitoring implements AutoCloseable {
  static final Path FILES = Path.of(System.getProperty("chaperone.home"), "knative/monitoring");
  private static final YAMLMapper YAML = new YAMLMapper();
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String NAMESPACE = "monitoring";
  private static final String ACCOUNT = "kube-state-metrics";

  /// The rules for people, and the one that marks closed budgets.
  static final List<String> RULES = List.of("companions-rule.yaml", "prometheus-rule.yaml");

  private final Pager pager;
  private final KubeStateMetrics metrics;
  private final Alertmanager alertmanager;
  private final Prometheus prometheus;

  /// Skips the test where Prometheus or Alertmanager is not installed.
  ///
  /// @param folder for configurations
  Monitoring(Lab lab, Path folder) throws IOException {
    require(Installed.PROMETHEUS, Installed.ALERTMANAGER);
    installRights(lab);
    pager = new Pager();
    alertmanager = Alertmanager.start(lab, alertmanagerConfig(folder, pager));
    metrics = startMetrics(lab, "poddisruptionbudgets", "leases");
    prometheus =
        Prometheus.start(
            lab,
            metrics,
            List.of(
                rules(folder, RULES.getFirst(), "2s"),
                rules(folder, RULES.getLast(), "2s"),
                rules(folder, "tests/pdb-alerts.yaml", "10s")),
            alertmanager);
  }

  /// Skips the test where one of these is missing, and says how to install it.
  static void require(Installed... programs) {
    Installed.missing(programs).ifPresent(Assumptions::abort);
  }

  /// What kube-state-metrics needs: the shipped rights, and of those that it has in any cluster the
  /// ones that are used here.
  static void installRights(Lab lab) {
    lab.apply(
        """
        apiVersion: v1
        kind: Namespace
        metadata: {name: %1$s}
        ---
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: %2$s, namespace: %1$s}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata: {name: kube-state-metrics}
        rules:
        - {apiGroups: [policy], resources: [poddisruptionbudgets], verbs: [list, watch]}
        - {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [list, watch]}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata: {name: kube-state-metrics}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: kube-state-metrics}
        subjects: [{kind: ServiceAccount, name: %2$s, namespace: %1$s}]
        """
            .formatted(NAMESPACE, ACCOUNT));
    lab.kubectl("apply", "-f", FILES.resolve("kube-state-metrics-rights.yaml").toString()).orFail();
  }

  /// @param resources what it reports besides Companions and Holds
  static KubeStateMetrics startMetrics(Lab lab, String... resources) {
    return KubeStateMetrics.start(
        lab, FILES.resolve("kube-state-metrics.yaml"), NAMESPACE, ACCOUNT, resources);
  }

  Alertmanager alertmanager() {
    return alertmanager;
  }

  Prometheus prometheus() {
    return prometheus;
  }

  Pager pager() {
    return pager;
  }

  /// The alerts that Alertmanager has of this name and namespace.
  List<Alertmanager.Alert> alerts(String name, String namespace) {
    return alertmanager.alerts().stream()
        .filter(it -> it.label("alertname").equals(name))
        .filter(it -> it.label("namespace").equals(namespace))
        .toList();
  }

  /// A rule file, or the object that has one in its spec, at the pace of tests.
  private static Path rules(Path folder, String file, String wait) throws IOException {
    JsonNode object = YAML.readTree(FILES.resolve(file).toFile());
    JsonNode rules = object.has("spec") ? object.path("spec") : object;
    for (JsonNode rule : rules.findParents("alert")) {
      String expression = rule.path("expr").asText();
      ((ObjectNode) rule)
          .put("expr", expression.replace("> 24 * 3600", "> 5").replace("[3m]", "[20s]"));
      if (rule.has("for")) {
        ((ObjectNode) rule).put("for", wait);
      }
    }
    Path paced = folder.resolve(file.replace('/', '-'));
    YAML.writeValue(paced.toFile(), rules);
    return paced;
  }

  /// The shipped configuration, with a pager as the receiver that everything goes to.
  private static Path alertmanagerConfig(Path folder, Pager pager) throws IOException {
    JsonNode config = YAML.readTree(FILES.resolve("alertmanager.yaml").toFile());
    ((ObjectNode) config.path("route")).put("group_wait", "1s").put("group_interval", "1s");
    for (JsonNode receiver : config.path("receivers")) {
      if (receiver.path("name").equals(config.at("/route/receiver"))) {
        ((ObjectNode) receiver)
            .putArray("webhook_configs")
            .addObject()
            .put("url", "http://127.0.0.1:" + pager.port());
      }
    }
    Path file = folder.resolve("alertmanager.yaml");
    YAML.writeValue(file.toFile(), config);
    return file;
  }

  @Override
  public void close() {
    prometheus.close();
    metrics.close();
    alertmanager.close();
    pager.close();
  }

  /// Somebody whom Alertmanager calls.
  static final class Pager implements AutoCloseable {
    private static final int NO_CONTENT = 204;

    private final HttpServer server;
    private final List<Page> pages = new CopyOnWriteArrayList<>();

    /// @param status `firing` or `resolved`
    record Page(String status, Map<String, String> labels) {
      boolean isAbout(String alert, String namespace) {
        return alert.equals(labels.get("alertname")) && namespace.equals(labels.get("namespace"));
      }
    }

    Pager() throws IOException {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
      server.createContext("/", this::page);
      server.start();
    }

    private void page(HttpExchange exchange) throws IOException {
      try (exchange) {
        for (JsonNode alert : JSON.readTree(exchange.getRequestBody()).path("alerts")) {
          Map<String, String> labels =
              JSON.convertValue(
                  alert.path("labels"),
                  JSON.getTypeFactory().constructMapType(Map.class, String.class, String.class));
          pages.add(new Page(alert.path("status").asText(), labels));
        }
        exchange.sendResponseHeaders(NO_CONTENT, -1);
      }
    }

    int port() {
      return server.getAddress().getPort();
    }

    /// Whether it was called so about such an alert.
    boolean hasPage(String status, String alert, String namespace) {
      return pages.stream()
          .anyMatch(it -> it.status().equals(status) && it.isAbout(alert, namespace));
    }

    List<Page> pages(Predicate<Page> which) {
      return pages.stream().filter(which).toList();
    }

    @Override
    public void close() {
      server.stop(0);
    }
  }
}
