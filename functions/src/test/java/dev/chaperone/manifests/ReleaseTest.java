package dev.chaperone.manifests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import dev.chaperone.lab.release.Release;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The one file that users install.
class ReleaseTest {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final String IMAGE = "registry.example.org/team/chaperone:7.1";

  @TempDir private Path folder;

  @Test
  void it_has_what_the_folders_have_in_their_order() throws IOException {
    Path file = Release.asShipped(HOME).writeInstallYaml(folder);

    assertThat(Manifests.in(file).objects()).isEqualTo(Wiring.DEFAULT.manifests().objects());
  }

  @Test
  void another_image_is_the_only_difference_and_in_both_services() throws IOException {
    Release shipped = Release.asShipped(HOME);
    Path file = new Release(HOME, IMAGE, shipped.version()).writeInstallYaml(folder);

    List<JsonNode> differ =
        Manifests.in(file).objects().stream()
            .filter(it -> !Wiring.DEFAULT.manifests().objects().contains(it))
            .toList();
    assertThat(differ)
        .extracting(Manifests::describe)
        .containsExactly("Service chaperone/dead-letters", "Service chaperone/functions");
    assertThat(differ)
        .extracting(it -> it.at("/spec/template/spec/containers/0/image").asText())
        .containsOnly(IMAGE);
  }

  @Test
  void the_chart_takes_a_digest_for_a_tag_and_refuses_what_names_no_version() throws IOException {
    String digest = "sha256:" + "0".repeat(64);
    Path chart = new Release(HOME, "example.org:5000/f@" + digest, "1.2.3").writeChart(folder);

    JsonNode image = Manifests.read(chart.resolve("values.yaml")).path("image");
    assertThat(image.path("repository").asText()).isEqualTo("example.org:5000/f");
    assertThat(image.path("digest").asText()).isEqualTo(digest);
    assertThat(Manifests.read(chart.resolve("Chart.yaml")).path("version").asText())
        .isEqualTo("1.2.3");
    Release nothing = new Release(HOME, "example.org/f", "1.2.3");
    assertThatThrownBy(() -> nothing.writeChart(folder)).hasMessageContaining("example.org/f");
  }

  @Test
  void every_value_has_a_schema_and_every_setting_of_the_functions_a_value() throws IOException {
    JsonNode values = Manifests.file("charts/chaperone/values.yaml");
    JsonNode schema = Manifests.file("charts/chaperone/values.schema.json");

    assertThat(properties(schema.path("properties")))
        .containsExactlyElementsOf(
            new TreeSet<>(Stream.concat(Stream.of("global"), names(values)).toList()));
    for (String nested : List.of("image", "guard", "resources")) {
      assertThat(properties(schema.at("/properties/" + nested + "/properties")))
          .containsExactlyElementsOf(new TreeSet<>(names(values.path(nested)).toList()));
    }
    String page = Files.readString(HOME.resolve("docs/reference/settings.md"));
    String settings = Files.readString(HOME.resolve("charts/chaperone/templates/_settings.tpl"));
    assertThat(settingsIn(page))
        .contains("CHAPERONE_GUARD_IMAGE", "CHAPERONE_GUARD_USER", "CHAPERONE_EVENT_DEADLINE")
        .allSatisfy(
            it ->
                assertThat(
                        // The last five take rights, or more processes, that no value brings.
                        settings
                            + "CHAPERONE_NAMESPACE CHAPERONE_PULSE_NAME CHAPERONE_NODE_CONDITIONS"
                            + " CHAPERONE_STATUS_PAGE CHAPERONE_SINK CHAPERONE_SIGNED_EVENTS_AUDIENCE"
                            + " CHAPERONE_EVICTION_RESPONDER")
                    .contains(it));
  }

  /// From the table's first column.
  private static Set<String> settingsIn(String page) {
    return Pattern.compile("(?m)^\\| `(CHAPERONE_[A-Z_]+)` \\|")
        .matcher(page)
        .results()
        .map(it -> it.group(1))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static Set<String> properties(JsonNode object) {
    return new TreeSet<>(names(object).toList());
  }

  private static Stream<String> names(JsonNode object) {
    return object.properties().stream().map(Map.Entry::getKey);
  }
}
