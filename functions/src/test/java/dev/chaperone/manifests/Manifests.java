package dev.chaperone.manifests;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.chaperone.lab.programs.Kubectl;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/// What one or more kustomizations make together.
record Manifests(List<JsonNode> objects) {
  static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final YAMLMapper YAML = new YAMLMapper();

  /// @param folders below the checkout
  static Manifests of(String... folders) {
    return new Manifests(Stream.of(folders).flatMap(Manifests::render).toList());
  }

  private static Stream<JsonNode> render(String folder) {
    return parse(Kubectl.kustomize(HOME.resolve(folder))).objects().stream();
  }

  /// @param yaml any number of documents; one of nothing but comments is no object
  static Manifests parse(String yaml) {
    try (var documents = YAML.readerFor(JsonNode.class).<JsonNode>readValues(yaml)) {
      return new Manifests(documents.readAll().stream().filter(JsonNode::isObject).toList());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Manifests in(Path file) throws IOException {
    return parse(Files.readString(file));
  }

  /// @param path below the checkout
  static JsonNode file(String path) {
    return read(HOME.resolve(path));
  }

  static JsonNode read(Path file) {
    try {
      return YAML.readTree(file.toFile());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  List<JsonNode> ofKind(String... kinds) {
    return objects.stream()
        .filter(it -> List.of(kinds).contains(it.path("kind").asText()))
        .toList();
  }

  JsonNode only(String kind, String name) {
    return ofKind(kind).stream().filter(it -> name(it).equals(name)).findFirst().orElseThrow();
  }

  /// Whether there is the object that a reference in this object names; a namespace that is left
  /// out is the object's own.
  boolean has(JsonNode reference, JsonNode from) {
    String namespace = reference.path("namespace").asText(namespace(from));
    return objects.stream()
        .anyMatch(
            it ->
                it.path("kind").equals(reference.path("kind"))
                    && name(it).equals(reference.path("name").asText())
                    && group(it.path("apiVersion").asText()).equals(groupOf(reference))
                    && (namespace(it).isEmpty() || namespace(it).equals(namespace)));
  }

  private static String groupOf(JsonNode reference) {
    return reference.has("apiGroup")
        ? reference.path("apiGroup").asText()
        : group(reference.path("apiVersion").asText());
  }

  private static String group(String apiVersion) {
    int slash = apiVersion.indexOf('/');
    return slash < 0 ? "" : apiVersion.substring(0, slash);
  }

  static String name(JsonNode object) {
    return object.path("metadata").path("name").asText();
  }

  static String namespace(JsonNode object) {
    return object.path("metadata").path("namespace").asText();
  }

  /// For messages.
  static String describe(JsonNode object) {
    return object.path("kind").asText() + " " + namespace(object) + "/" + name(object);
  }
}
