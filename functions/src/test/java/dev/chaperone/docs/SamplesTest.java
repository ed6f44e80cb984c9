package dev.chaperone.docs;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What the documentation asks readers to run, and to write, is run: by `DocumentationIT`, unless
/// a comment above it says who else does it (`run by`), or why nobody does (`not run`).
class SamplesTest {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Pattern MARK =
      Pattern.compile("not run: \\S.{8,}|run by: [\\w.]+(, [\\w.]+)*");
  private static final Pattern SCRIPT = Pattern.compile("scripts/[\\w-]+");
  private static final Pattern HERE_DOCUMENT = Pattern.compile("(?ms)<<(\\w+)$.*?^\\1$");

  static Stream<Sample> samples() {
    return Sample.all().stream().filter(it -> it.isCommands() || it.isYaml());
  }

  static Stream<Sample> unmarked() {
    return samples().filter(it -> it.mark().isEmpty());
  }

  @Test
  void every_block_says_its_language() {
    assertThat(Sample.all().stream().filter(it -> it.language().isEmpty())).isEmpty();
  }

  @ParameterizedTest
  @MethodSource("unmarked")
  void commands_that_no_other_test_runs_are_of_kubectl_or_marked(Sample sample) {
    if (sample.isCommands()) {
      assertThat(commands(sample))
          .as(
              "%s: DocumentationIT runs it, and has nothing but kubectl. Put <!-- not run: why -->"
                  + " or <!-- run by: TheTest --> above it",
              sample)
          .isNotEmpty()
          .allMatch(it -> it.startsWith("kubectl ") && !it.startsWith("kubectl chaperone "));
    }
  }

  @ParameterizedTest
  @MethodSource("unmarked")
  void yaml_is_of_objects_of_a_companion_or_of_a_workflow_or_marked(Sample sample)
      throws IOException {
    if (sample.isYaml()) {
      for (JsonNode document : documents(sample)) {
        assertThat(document.has("kind") || document.has("spec") || document.has("jobs"))
            .as(
                "%s: DocumentationIT gives it to an API server, which cannot read it. Put"
                    + " <!-- not run: why --> above it",
                sample)
            .isTrue();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("samples")
  void all_yaml_can_be_read(Sample sample) throws IOException {
    if (sample.isYaml()) {
      assertThat(documents(sample)).isNotEmpty().allMatch(JsonNode::isObject);
    }
  }

  @Test
  void every_mark_is_above_a_block_and_names_what_runs_it() throws IOException {
    Set<String> runners = new HashSet<>();
    for (String folder :
        List.of(
            "functions/src/test",
            "kubectl/src/test",
            "lab/src/test",
            "reflectors/src/test",
            ".github/workflows")) {
      try (Stream<Path> files = Files.walk(HOME.resolve(folder))) {
        files.map(it -> it.getFileName().toString().replace(".java", "")).forEach(runners::add);
      }
    }
    List<Sample> marked = samples().filter(it -> !it.mark().isEmpty()).toList();
    for (Sample sample : marked) {
      assertThat(sample.mark()).as("%s", sample).matches(MARK);
      assertThat(runners).as("%s", sample).containsAll(runnersOf(sample));
    }
    assertThat(marked).hasSize(marksInAllPages());
  }

  @ParameterizedTest
  @MethodSource("samples")
  void scripts_that_a_workflow_runs_are_in_that_workflow(Sample sample) throws IOException {
    StringBuilder workflows = new StringBuilder();
    for (String runner : runnersOf(sample)) {
      if (runner.endsWith(".yml")) {
        workflows.append(Files.readString(HOME.resolve(".github/workflows").resolve(runner)));
      }
    }
    if (!workflows.isEmpty()) {
      assertThat(SCRIPT.matcher(sample.text()).results().map(it -> it.group()))
          .isNotEmpty()
          .allSatisfy(it -> assertThat(workflows.toString()).containsPattern(it + "(?![\\w-])"));
    }
  }

  private static List<String> runnersOf(Sample sample) {
    String by = "run by: ";
    return sample.mark().startsWith(by)
        ? List.of(sample.mark().substring(by.length()).split(", ", -1))
        : List.of();
  }

  private static int marksInAllPages() throws IOException {
    int marks = 0;
    for (Path page : Sample.all().stream().map(Sample::page).distinct().toList()) {
      marks +=
          (int)
              Files.readString(HOME.resolve(page))
                  .lines()
                  .filter(it -> it.matches(" *<!-- (not run|run by)\\b.*"))
                  .count();
    }
    return marks;
  }

  /// One for each that a shell would start.
  private static List<String> commands(Sample sample) {
    String lines = HERE_DOCUMENT.matcher(sample.script().replace("\\\n", " ")).replaceAll("");
    return lines
        .lines()
        .flatMap(it -> Stream.of(it.split("&&|\\|", -1)))
        .map(String::strip)
        .filter(it -> !it.isEmpty() && !it.startsWith("#"))
        .toList();
  }

  private static List<JsonNode> documents(Sample sample) throws IOException {
    YAMLMapper mapper = new YAMLMapper();
    return mapper.readerFor(JsonNode.class).<JsonNode>readValues(sample.text()).readAll();
  }
}
