package dev.chaperone.lab.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chaperone.lab.bench.Options.Part;
import org.junit.jupiter.api.Test;

class OptionsTest {
  @Test
  void without_a_word_everything_is_measured_and_reported_in_docs() {
    Options options = Options.parse();

    assertThat(options.parts()).containsExactlyInAnyOrder(Part.values());
    assertThat(options.report())
        .hasToString(Contender.home().resolve("docs/benchmarks.md").toString());
  }

  @Test
  void a_part_on_some_sizes_for_one_goes_to_standard_output() {
    Options options = Options.parse("warm", "--nodes", "1000,10", "--only", "peer");

    assertThat(options.parts()).containsExactly(Part.WARM);
    assertThat(options.sizes()).containsExactly(10, 1000);
    assertThat(options.contenders()).containsExactly(Contender.Kind.PEER);
    assertThat(options.report()).isNull();
  }

  @Test
  void many_companions_are_as_many_as_is_said() {
    assertThat(Options.parse("many", "--companions", "200,20").companions())
        .containsExactly(20, 200);
    assertThat(Options.parse("many").companions()).containsExactly(10, 100, 1000);
  }

  @Test
  void what_is_not_understood_is_said() {
    assertThatThrownBy(() -> Options.parse("--fast", "yes"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("--fast");
    assertThatThrownBy(() -> Options.parse("lukewarm"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("LUKEWARM");
  }
}
