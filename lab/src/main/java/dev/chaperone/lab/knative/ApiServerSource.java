package dev.chaperone.lab.knative;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Binaries.Module;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.ServerProcess;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.LabelSelector;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// The real receive adapter of Knative's ApiServerSource, one process per source, with the
/// environment that Knative's controller would compute and the rights of the source's
/// ServiceAccount. The lab plays only that controller: it reads the manifest once, and a namespace
/// selector therefore means the namespaces that match now.
public final class ApiServerSource implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final List<ServerProcess> adapters = new ArrayList<>();

  private ApiServerSource() {}

  /// Runs every ApiServerSource in the files or folders given, with events going to `sink`. Returns
  /// when all their watches are established: what is changed from now on is an event; what exists
  /// already is not.
  ///
  /// @throws LabFailure if an adapter ends or its watches are refused; the message names its log
  public static ApiServerSource start(Lab lab, URI sink, Path... manifests) {
    ApiServerSource source = new ApiServerSource();
    try {
      for (HasMetadata object : read(lab, manifests)) {
        JsonNode manifest = JSON.valueToTree(object);
        if (manifest.path("kind").asText().equals("ApiServerSource")) {
          source.adapters.add(startAdapter(lab, sink, manifest));
        }
      }
      if (source.adapters.isEmpty()) {
        throw new LabFailure("No ApiServerSource in " + List.of(manifests));
      }
      return source;
    } catch (RuntimeException e) {
      source.close();
      throw e;
    }
  }

  /// The processes, one for each source in the order of the manifests, to see what happens when one
  /// is down or frozen.
  public List<ServerProcess> adapters() {
    return List.copyOf(adapters);
  }

  /// Ends the adapters: no event after this.
  @Override
  public void close() {
    adapters.forEach(ServerProcess::askToEnd);
    adapters.forEach(ServerProcess::awaitEnd);
  }

  private static ServerProcess startAdapter(Lab lab, URI sink, JsonNode manifest) {
    String name = manifest.path("metadata").path("name").asText();
    String namespace = manifest.path("metadata").path("namespace").asText("default");
    JsonNode spec = manifest.path("spec");
    String token = lab.token(namespace, spec.path("serviceAccountName").asText("default"));
    ObjectNode config = config(lab, namespace, spec);

    Map<String, String> environment = new HashMap<>();
    environment.put("K_SINK", sink.toString());
    environment.put("K_SOURCE_CONFIG", config.toString());
    environment.put("K_LOGGING_CONFIG", "{}");
    environment.put("K_OBSERVABILITY_CONFIG", "{}");
    environment.put("SYSTEM_NAMESPACE", "knative-eventing");
    environment.put("METRICS_DOMAIN", "knative.dev/eventing");
    environment.put("NAMESPACE", namespace);
    environment.put("NAME", name);
    environment.put("KUBECONFIG", lab.kubeconfigWith(token).toString());
    if (spec.has("ceOverrides")) {
      environment.put("K_CE_OVERRIDES", spec.path("ceOverrides").toString());
    }
    AdapterWatches watches = new AdapterWatches(lab, config.toString(), token);
    return lab.startServer(
        "apiserversource-" + namespace + "-" + name,
        List.of(lab.program(Module.KNATIVE).toString(), "apiserver_receive_adapter"),
        environment,
        watches::established);
  }

  private static ObjectNode config(Lab lab, String namespace, JsonNode spec) {
    ObjectNode config = JSON.createObjectNode();
    ArrayNode namespaces = config.putArray("namespaces");
    JsonNode selector = spec.path("namespaceSelector");
    boolean everywhere =
        !selector.isMissingNode()
            && selector.path("matchLabels").isEmpty()
            && selector.path("matchExpressions").isEmpty();
    if (everywhere) {
      namespaces.add("");
    } else if (selector.isMissingNode()) {
      namespaces.add(namespace);
    } else {
      lab.client()
          .namespaces()
          .withLabelSelector(labelSelector(selector))
          .list()
          .getItems()
          .forEach(found -> namespaces.add(found.getMetadata().getName()));
    }
    config.put("allNamespaces", everywhere);
    ArrayNode resources = config.putArray("resources");
    for (JsonNode wanted : spec.path("resources")) {
      resources.add(resource(lab, wanted));
    }
    config.put("mode", spec.path("mode").asText("Reference"));
    if (spec.has("owner")) {
      config.set("owner", spec.path("owner"));
    }
    if (spec.has("filters")) {
      config.set("filters", spec.path("filters"));
    }
    return config;
  }

  private static ObjectNode resource(Lab lab, JsonNode wanted) {
    String apiVersion = wanted.path("apiVersion").asText();
    String kind = wanted.path("kind").asText();
    var known = lab.client().getApiResources(apiVersion);
    var found =
        (known == null
                ? List.<io.fabric8.kubernetes.api.model.APIResource>of()
                : known.getResources())
            .stream()
                .filter(each -> each.getKind().equals(kind) && !each.getName().contains("/"))
                .findFirst()
                .orElseThrow(
                    () -> new LabFailure("The cluster does not know " + apiVersion + " " + kind));
    ObjectNode watch = JSON.createObjectNode();
    int slash = apiVersion.indexOf('/');
    watch
        .putObject("gvr")
        .put("Group", slash < 0 ? "" : apiVersion.substring(0, slash))
        .put("Version", apiVersion.substring(slash + 1))
        .put("Resource", found.getName());
    if (wanted.has("selector")) {
      watch.put("selector", text(labelSelector(wanted.path("selector"))));
    }
    return watch;
  }

  private static LabelSelector labelSelector(JsonNode selector) {
    return JSON.convertValue(selector, LabelSelector.class);
  }

  private static String text(LabelSelector selector) {
    Map<String, String> labels = selector.getMatchLabels();
    Stream<String> equal =
        (labels == null ? Map.<String, String>of() : labels)
            .entrySet().stream().map(label -> label.getKey() + "=" + label.getValue());
    Stream<String> expressions =
        selector.getMatchExpressions().stream()
            .map(
                each ->
                    switch (each.getOperator()) {
                      case "In" -> each.getKey() + " in " + values(each.getValues());
                      case "NotIn" -> each.getKey() + " notin " + values(each.getValues());
                      case "Exists" -> each.getKey();
                      case "DoesNotExist" -> "!" + each.getKey();
                      default -> throw new LabFailure("Unknown operator " + each.getOperator());
                    });
    return String.join(",", Stream.concat(equal, expressions).sorted().toList());
  }

  private static String values(List<String> values) {
    return "(" + String.join(",", values) + ")";
  }

  private static List<HasMetadata> read(Lab lab, Path... manifests) {
    List<HasMetadata> objects = new ArrayList<>();
    for (Path manifest : manifests) {
      for (Path file : yamlFiles(manifest)) {
        try (InputStream in = Files.newInputStream(file)) {
          objects.addAll(lab.client().load(in).items());
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
    }
    return objects;
  }

  private static List<Path> yamlFiles(Path manifest) {
    try (Stream<Path> files = Files.walk(manifest)) {
      return files
          .filter(file -> file.toString().matches(".*\\.ya?ml"))
          .filter(file -> !file.endsWith("kustomization.yaml"))
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
