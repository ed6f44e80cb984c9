package dev.chaperone.docs;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The pages of custom resources have every field as `knative/crds` defines it.
class CustomResourcePagesTest {
  private static final Path CRDS = Path.of(System.getProperty("chaperone.home"), "knative", "crds");
  private static final List<String> BOUNDS =
      List.of("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems");

  @ParameterizedTest
  @CsvSource({"companions, companion", "holds, hold", "eventkeys, eventkey"})
  void the_page_of_a_custom_resource_has_every_field_rule_and_column(String crd, String page)
      throws IOException {
    JsonNode version =
        new YAMLMapper().readTree(CRDS.resolve(crd + ".yaml").toFile()).at("/spec/versions/0");
    JsonNode schema = version.at("/schema/openAPIV3Schema");

    Page of = Page.of("reference/" + page + ".md");
    of.assertBlock("spec", fields("spec", schema.at("/properties/spec")));
    of.assertBlock("rules", rules(schema).distinct().collect(Collectors.joining()));
    of.assertBlock("status", fields("status", schema.at("/properties/status")));
    of.assertBlock("columns", columns(version.path("additionalPrinterColumns")));
  }

  private static String fields(String name, JsonNode schema) {
    List<String> rows = new ArrayList<>();
    addRows(name, schema, rows);
    return "| field | type | default | bounds | meaning |\n|---|---|---|---|---|\n"
        + String.join("", rows);
  }

  private static void addRows(String path, JsonNode schema, List<String> rows) {
    for (Map.Entry<String, JsonNode> field : schema.path("properties").properties()) {
      JsonNode type = field.getValue();
      boolean list = type.has("items");
      String name = path + "." + field.getKey() + (list ? "[]" : "");
      boolean required =
          Stream.of(schema.path("required"))
              .flatMap(it -> it.valueStream())
              .anyMatch(it -> it.asText().equals(field.getKey()));
      rows.add(
          "| `%s` | %s | %s | %s | %s |\n"
              .formatted(
                  name,
                  type(type),
                  byDefault(type.path("default")),
                  bounds(type, required),
                  type.path("description").asText().replace("|", "\\|")));
      addRows(name, list ? type.path("items") : type, rows);
    }
  }

  private static String type(JsonNode schema) {
    if (schema.path("x-kubernetes-int-or-string").asBoolean()) {
      return "integer or string";
    }
    return schema.has("items")
        ? "list of " + type(schema.path("items"))
        : schema.path("type").asText();
  }

  private static String byDefault(JsonNode value) {
    // Of an object, its fields say theirs.
    return value.isMissingNode() || value.isObject() ? "" : "`" + value + "`";
  }

  private static String bounds(JsonNode schema, boolean required) {
    JsonNode values = schema.has("items") ? schema.at("/items/enum") : schema.path("enum");
    Stream<String> all =
        Stream.of(
                required ? Stream.of("required") : Stream.<String>of(),
                values.valueStream().map(it -> "`" + it.asText() + "`"),
                BOUNDS.stream().filter(schema::has).map(it -> it + " " + schema.path(it).asText()))
            .flatMap(it -> it);
    return all.collect(Collectors.joining(", "));
  }

  /// The messages of validation rules, which the API server answers with.
  private static Stream<String> rules(JsonNode schema) {
    Stream<String> own =
        schema
            .path("x-kubernetes-validations")
            .valueStream()
            .map(it -> "- " + it.path("message").asText() + "\n");
    return Stream.concat(
        own,
        Stream.concat(
            Stream.of(schema.path("items"))
                .filter(it -> !it.isMissingNode())
                .flatMap(it -> rules(it)),
            schema.path("properties").valueStream().flatMap(CustomResourcePagesTest::rules)));
  }

  private static String columns(JsonNode columns) {
    return "| column | shows | |\n|---|---|---|\n"
        + columns
            .valueStream()
            .map(
                it ->
                    "| %s | `%s` | %s |\n"
                        .formatted(
                            it.path("name").asText(),
                            it.path("jsonPath").asText(),
                            it.has("priority") ? "with `-o wide`" : ""))
            .collect(Collectors.joining());
  }
}
