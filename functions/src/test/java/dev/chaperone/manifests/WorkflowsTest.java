package dev.chaperone.manifests;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The workflows of a public repository: they call scripts that exist, with rights and actions that
/// are written down.
class WorkflowsTest {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Pattern SCRIPT = Pattern.compile("(?<![\\w/-])scripts/[\\w-]+");

  /// The tiers, and the script that each is.
  private static final Map<String, String> TIERS =
      Map.of(
          "check.yml", "scripts/check",
          "test.yml", "scripts/test",
          "nightly.yml", "scripts/test -Dchaperone.thorough=true",
          "release.yml", "scripts/image");

  static List<Path> workflows() throws IOException {
    try (Stream<Path> files = Files.list(HOME.resolve(".github/workflows"))) {
      return files.sorted().toList();
    }
  }

  @Test
  void there_is_one_for_each_tier() throws IOException {
    assertThat(workflows().stream().map(it -> it.getFileName().toString()))
        .containsExactlyInAnyOrderElementsOf(TIERS.keySet());
    for (Path workflow : workflows()) {
      assertThat(commands(workflow)).contains(TIERS.get(workflow.getFileName().toString()));
    }
  }

  @ParameterizedTest
  @MethodSource("workflows")
  void every_script_that_is_called_exists_and_can_be_run(Path workflow) throws IOException {
    List<String> scripts =
        SCRIPT
            .matcher(String.join("\n", commands(workflow)))
            .results()
            .map(it -> it.group())
            .toList();

    assertThat(scripts)
        .isNotEmpty()
        .allSatisfy(it -> assertThat(HOME.resolve(it)).isRegularFile().isExecutable());
  }

  @ParameterizedTest
  @MethodSource("workflows")
  void actions_are_pinned_and_rights_and_time_are_limited(Path workflow) throws IOException {
    String text = Files.readString(workflow);
    JsonNode jobs = Manifests.read(workflow).path("jobs");

    assertThat(text.lines().filter(it -> it.contains("uses: ")))
        .allSatisfy(
            it ->
                assertThat(it)
                    .matches(" *- uses: actions/[a-z-]+@[0-9a-f]{40} # v\\d+\\.\\d+\\.\\d+"));
    assertThat(Manifests.read(workflow).path("permissions").toString())
        .isEqualTo("{\"contents\":\"read\"}");
    assertThat(jobs).isNotEmpty().allSatisfy(it -> assertThat(it.has("timeout-minutes")).isTrue());
  }

  @Test
  void every_script_that_scripts_and_documents_name_exists() throws IOException {
    List<Path> texts = new ArrayList<>(List.of(HOME.resolve("lab/README.md")));
    try (Stream<Path> documents = Files.list(HOME)) {
      documents.filter(it -> it.toString().endsWith(".md")).forEach(texts::add);
    }
    try (Stream<Path> scripts = Files.list(HOME.resolve("scripts"))) {
      scripts.forEach(texts::add);
    }
    try (Stream<Path> documents = Files.walk(HOME.resolve("docs"))) {
      documents.filter(it -> it.toString().endsWith(".md")).forEach(texts::add);
    }
    for (Path text : texts) {
      assertThat(SCRIPT.matcher(Files.readString(text)).results().map(it -> it.group()))
          .as("%s", text)
          .allSatisfy(it -> assertThat(HOME.resolve(it)).exists());
    }
  }

  private static List<String> commands(Path workflow) {
    return Manifests.read(workflow).findValuesAsText("run");
  }
}
