package dev.chaperone.lab.release;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/// JSON schemas of the custom resources, for editors and kubeconform: what the CRDs say, without
/// what only an API server can check (the rules in CEL). A field that the CRD does not have is an
/// error, as it is with `kubectl --validate=strict`.
///
/// @param home the checkout
record Schemas(Path home) {
  private static final List<String> DEFINITIONS =
      List.of("companions.yaml", "holds.yaml", "eventkeys.yaml");
  private static final String PROPERTIES = "properties";
  private static final String TYPE = "type";
  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(SerializationFeature.INDENT_OUTPUT).build();

  /// Writes `GROUP/kind_version.json` for each version, as kubeconform and the CRDs catalog lay
  /// them out.
  List<Path> write(Path folder) throws IOException {
    List<Path> written = new ArrayList<>();
    for (String definition : DEFINITIONS) {
      JsonNode crd =
          Serialization.unmarshal(
              Files.readString(home.resolve("knative/crds").resolve(definition)), JsonNode.class);
      String group = crd.at("/spec/group").asText();
      String kind = crd.at("/spec/names/kind").asText();
      for (JsonNode version : crd.at("/spec/versions")) {
        String name = version.path("name").asText();
        Path file =
            Files.createDirectories(folder.resolve(group))
                .resolve("%s_%s.json".formatted(kind.toLowerCase(Locale.ROOT), name));
        written.add(
            Files.writeString(
                file,
                JSON.writeValueAsString(
                        schema(version.at("/schema/openAPIV3Schema"), group + "/" + name, kind))
                    + "\n"));
      }
    }
    return written;
  }

  private static ObjectNode schema(JsonNode openApi, String apiVersion, String kind) {
    ObjectNode schema = JSON.createObjectNode();
    schema.put("$schema", "http://json-schema.org/draft-07/schema#");
    schema.put("title", kind + " of " + apiVersion);
    schema.setAll(openApi.<ObjectNode>deepCopy());
    ObjectNode properties = schema.withObjectProperty(PROPERTIES);
    closeObjects(schema);
    only(properties.putObject("apiVersion"), apiVersion);
    only(properties.putObject("kind"), kind);
    properties.putObject("metadata").put(TYPE, "object");
    schema.putArray("required").add("apiVersion").add("kind").add("metadata").add("spec");
    return schema;
  }

  private static void only(ObjectNode property, String value) {
    property.put(TYPE, "string").putArray("enum").add(value);
  }

  private static void closeObjects(JsonNode schema) {
    if (schema instanceof ObjectNode object && object.path(PROPERTIES).isObject()) {
      object.put("additionalProperties", false);
    }
    schema.forEach(Schemas::closeObjects);
  }
}
