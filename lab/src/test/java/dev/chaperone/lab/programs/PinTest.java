package dev.chaperone.lab.programs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PinTest {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));

  @Test
  void the_default_is_what_go_finds_by_itself() {
    Pin pin = Pin.choose(folder("controlplane"), null);

    assertThat(pin.goFlags()).isEmpty();
    assertThat(pin.excludes(folder("controlplane").resolve("go.sum"))).isFalse();
    assertThat(pin.excludes(folder("controlplane").resolve("1.36.sum"))).isTrue();
  }

  @Test
  void another_version_has_a_file_of_its_own_and_says_so_in_its_programs() {
    Pin pin = Pin.choose(folder("controlplane"), "1.36");

    assertThat(pin.goFlags()).isEqualTo("-modfile=1.36.mod");
    assertThat(pin.linkerFlags()).contains("gitVersion=v" + pin.version(), "gitMinor=36");
    assertThat(pin.excludes(folder("controlplane").resolve("go.sum"))).isTrue();
    assertThat(pin.excludes(folder("controlplane").resolve("1.36.sum"))).isFalse();
    assertThat(pin.excludes(folder("parent").resolve("go.mod"))).isFalse();
  }

  @Test
  void a_version_that_is_not_pinned_is_refused_with_those_that_are() {
    assertThatThrownBy(() -> Pin.choose(folder("controlplane"), "1.12"))
        .isInstanceOf(LabFailure.class)
        .hasMessageContaining("no version 1.12 of controlplane")
        .hasMessageContaining("1.36");
  }

  /// A file whose name is not the version that it pins could never be chosen.
  @ParameterizedTest
  @CsvSource({"controlplane", "knative"})
  void every_file_is_named_after_the_version_that_it_pins(String module) {
    for (Pin pin : Pin.all(folder(module))) {
      assertThat(pin.goFlags()).isIn("", "-modfile=" + pin.minor() + ".mod");
    }
  }

  /// After a change of versions: scripts/test-versions.
  @ParameterizedTest
  @CsvSource({"controlplane, 1", "knative, 2"})
  void the_table_of_results_has_every_version_that_is_pinned_and_no_other(String module, int column)
      throws IOException {
    List<String> tested;
    try (var lines = Files.lines(HOME.resolve("docs/versions.md"))) {
      tested =
          lines
              .filter(line -> line.matches("\\| \\d+\\..*"))
              .map(line -> line.split("\\|", -1)[column].strip())
              .distinct()
              .toList();
    }

    assertThat(tested)
        .containsExactlyInAnyOrderElementsOf(
            Pin.all(folder(module)).stream().map(Pin::version).toList());
  }

  private static Path folder(String module) {
    return HOME.resolve("lab/go").resolve(module);
  }
}
