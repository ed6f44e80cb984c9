package dev.chaperone.reflectors;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.release.RouteReflectorsYaml;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The one file that users install.
class ReleaseTest {
  private static final YAMLMapper YAML = new YAMLMapper();
  private static final String IMAGE =
      "registry.example.org/team/reflectors@sha256:" + "0".repeat(64);

  @TempDir private Path folder;

  @Test
  void it_has_what_the_folder_has_in_its_order() throws IOException {
    assertThat(objects(RouteReflectorsYaml.asShipped(InLab.HOME).write(folder)))
        .isEqualTo(manifests());
  }

  @Test
  void another_image_is_the_only_difference() throws IOException {
    List<JsonNode> differ = objects(new RouteReflectorsYaml(InLab.HOME, IMAGE).write(folder));

    assertThat(differ).hasSameSizeAs(manifests());
    differ.removeAll(manifests());
    assertThat(differ)
        .singleElement()
        .satisfies(
            it -> {
              assertThat(it.path("kind").asText()).isEqualTo("Service");
              assertThat(image(it)).isEqualTo(IMAGE);
            });
  }

  @Test
  void the_image_is_the_one_that_the_kustomization_names() throws IOException {
    JsonNode named =
        YAML.readTree(InLab.MANIFESTS.resolve("kustomization.yaml").toFile()).at("/images/0");

    assertThat(objects(RouteReflectorsYaml.asShipped(InLab.HOME).write(folder)))
        .filteredOn(it -> it.path("kind").asText().equals("Service"))
        .extracting(ReleaseTest::image)
        .containsExactly(named.path("newName").asText() + ":" + named.path("newTag").asText());
  }

  private static String image(JsonNode service) {
    return service.at("/spec/template/spec/containers/0/image").asText();
  }

  private static List<JsonNode> manifests() throws IOException {
    return parse(Kubectl.kustomize(InLab.MANIFESTS));
  }

  private static List<JsonNode> objects(Path file) throws IOException {
    return parse(Files.readString(file));
  }

  /// A document of nothing but comments is no object.
  private static List<JsonNode> parse(String yaml) throws IOException {
    try (var documents = YAML.readerFor(JsonNode.class).<JsonNode>readValues(yaml)) {
      List<JsonNode> all = documents.readAll();
      all.removeIf(it -> !it.isObject());
      return all;
    }
  }
}
