package dev.chaperone.lab.knative;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import dev.chaperone.lab.programs.LabFailure;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/// Knative's own manifests, as its modules have them, with what a lab has to say otherwise.
public final class KnativeManifests {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final ObjectMapper YAML = new ObjectMapper(new YAMLFactory());
  private static final String NAMESPACE = "knative-eventing";
  private static final String SOURCE_IMAGE = "ko://knative.dev/eventing/cmd/";

  private static final String ADAPTERS_NODE = "apiserversources-nodeselector-";

  private final ArrayNode items = JSON.createArrayNode();
  private final UnaryOperator<ObjectNode> adapt;

  /// For a lab whose nodes are played: images are the lab's, pods go to its node, and no custom
  /// resource is converted, because its webhook may not run.
  ///
  /// @param patterns files below a module's `config` folder, as globs, in the order in which they
  /// are needed
  KnativeManifests(Path config, List<String> patterns) {
    this(config, patterns, KnativeManifests::adapted);
  }

  /// @param config where a module's manifests are
  /// @param patterns files below it, as globs, in the order in which they are needed
  /// @param adapt what becomes of each object; nothing: as it is
  public KnativeManifests(Path config, List<String> patterns, UnaryOperator<ObjectNode> adapt) {
    this.adapt = adapt;
    List<Path> files = files(config);
    for (String pattern : patterns) {
      PathMatcher matcher = FileSystems.getDefault().getPathMatcher("glob:" + pattern);
      List<Path> matching =
          files.stream().filter(file -> matcher.matches(config.relativize(file))).toList();
      if (matching.isEmpty()) {
        throw new LabFailure("Knative has no manifests " + pattern + " in " + config);
      }
      matching.forEach(this::add);
    }
    addImages();
  }

  /// Writes all of them into one file for kubectl.
  public Path write(Path file) throws IOException {
    ObjectNode list = JSON.createObjectNode().put("apiVersion", "v1").put("kind", "List");
    list.set("items", items);
    JSON.writeValue(file.toFile(), list);
    return file;
  }

  private void add(Path file) {
    try (InputStream in = Files.newInputStream(file);
        var documents = YAML.readerFor(JsonNode.class).<JsonNode>readValues(in)) {
      while (documents.hasNext()) {
        if (documents.next() instanceof ObjectNode item && item.has("kind")) {
          items.add(adapt.apply(item));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + file, e);
    }
  }

  private static ObjectNode adapted(ObjectNode item) {
    switch (item.path("kind").asText()) {
      case "CustomResourceDefinition" -> convertNothing(item);
      case "Deployment" -> {
        ObjectNode pod = item.withObject("/spec/template/spec");
        pod.withObject("/nodeSelector").put(HostedDeployments.NODE_LABEL, HostedDeployments.NODE);
        for (JsonNode container : pod.path("containers")) {
          replaceImage((ObjectNode) container, "image");
          for (JsonNode variable : container.path("env")) {
            replaceImage((ObjectNode) variable, "value");
          }
        }
      }
      case "ConfigMap" -> {
        if (item.at("/metadata/name").asText().equals("config-features")) {
          item.withObject("/data")
              .put(ADAPTERS_NODE + HostedDeployments.NODE_LABEL, HostedDeployments.NODE);
        }
      }
      default -> {
        // as it is
      }
    }
    return item;
  }

  private static void convertNothing(ObjectNode definition) {
    definition.withObject("/spec/conversion").removeAll().put("strategy", "None");
    // Otherwise a write in one version would drop the fields of the others, and Knative's
    // controllers would delete and make such objects for ever.
    for (JsonNode version : definition.at("/spec/versions")) {
      if (version.at("/schema/openAPIV3Schema/properties/spec") instanceof ObjectNode spec) {
        spec.put("x-kubernetes-preserve-unknown-fields", true);
      }
    }
  }

  private static void replaceImage(ObjectNode holder, String field) {
    String image = holder.path(field).asText();
    if (image.startsWith(SOURCE_IMAGE)) {
      holder.put(field, HostedDeployments.image(image.substring(SOURCE_IMAGE.length())));
    }
  }

  /// ConfigMaps with the images of parts that are released on their own; no lab runs them.
  private void addImages() {
    Map<String, Map<String, String>> maps = new TreeMap<>();
    for (JsonNode item : items) {
      if (item.path("kind").asText().equals("Deployment")) {
        for (JsonNode reference : item.findValues("configMapKeyRef")) {
          maps.computeIfAbsent(reference.path("name").asText(), _ -> new TreeMap<>())
              .put(reference.path("key").asText(), "none");
        }
      }
    }
    maps.forEach(
        (name, data) -> {
          ObjectNode map = items.addObject().put("apiVersion", "v1").put("kind", "ConfigMap");
          map.putObject("metadata").put("namespace", NAMESPACE).put("name", name);
          map.set("data", JSON.valueToTree(data));
        });
  }

  private static List<Path> files(Path config) {
    try (Stream<Path> files = Files.walk(config)) {
      return new ArrayList<>(files.filter(Files::isRegularFile).sorted().toList());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
