package dev.chaperone.lab.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.lab.bench.Contender.Kind;
import dev.chaperone.lab.bench.Options.Part;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ReportTest {
  private static final Machine MACHINE =
      new Machine("a CPU", 2, 8_000, "Linux", "a JVM", Instant.EPOCH);

  private final Figures figures = new Figures();

  private String report(String... arguments) {
    return new Report(Options.parse(arguments), figures, MACHINE).text();
  }

  private void reacts(Kind kind, int nodes, long millis) {
    Spread spread = Spread.ofNanos(List.of(Duration.ofMillis(millis).toNanos()));
    figures.warm.put(new Figures.Key(kind, nodes), new Warm(spread, spread));
  }

  @Test
  void a_target_is_met_or_missed_by_the_figures_of_this_run() {
    reacts(Kind.FUNCTIONS, 10, 100);
    reacts(Kind.FUNCTIONS, 100, 120);
    reacts(Kind.PEER, 10, 50);
    reacts(Kind.PEER, 100, 100);

    assertThat(report("warm", "--nodes", "10,100"))
        .contains("| Warm p50 at 100 nodes ≤ 1.3 × that at 10 | closing 1.20; opening 1.20 | met |")
        .containsPattern("\\| Reaction p50 ≤ 1.5 × the peer's \\| closing at 10 2; .*missed")
        .contains("| 10 | peer | 50.0 / 50.0 / 50.0 |");
  }

  @Test
  void what_went_wrong_is_named_and_leaves_its_target_without_a_figure() {
    figures.attempt(
        "functions, 10 nodes: warm reaction",
        () -> {
          throw new WrongResult("two guards on node-00001");
        });

    assertThat(figures.isComplete()).isFalse();
    assertThat(report("warm", "--nodes", "10"))
        .containsPattern("Reaction p50 .*\\| no figure \\|")
        .contains("| **no**: two guards on node-00001 |");
  }

  @Test
  void what_was_not_asked_for_is_not_spoken_of() {
    assertThat(report("warm", "--nodes", "10")).doesNotContain("Cold start", "Storms", "Memory");
  }

  @ParameterizedTest
  @EnumSource(Part.class)
  void every_part_can_be_reported_before_it_is_measured(Part part) {
    assertThat(report(part.name(), "--nodes", "10")).startsWith("# Benchmarks");
  }

  @Test
  void a_part_is_put_into_a_report_that_has_the_others() {
    reacts(Kind.FUNCTIONS, 10, 100);
    reacts(Kind.PEER, 10, 100);
    figures.attempt("functions: warm", () -> {});
    String notes = "## Why, and what was tried\n\n### By hand\n\nAs it is.\n";
    String former =
        report("warm", "--nodes", "10")
            .replace("| 10 | peer", "| 10 | peer of old")
            .replace("## Runs\n", "## Storms\n\nOld.\n\n## Runs\n")
            .replace("| functions: warm |", "| functions: storms | 1 | yes |\n| functions: warm |");

    String merged = Merge.of(former + notes, report("warm", "--nodes", "10"), "later");

    assertThat(merged)
        .startsWith(former.substring(0, former.indexOf("## Targets")))
        .containsOnlyOnce("| Reaction p50 ≤ 1.5 × the peer's |")
        .contains("Measured by itself, later.")
        .doesNotContain("peer of old")
        .containsSubsequence("## Warm reaction", "## Storms\n\nOld.\n\n", "## Runs")
        .containsOnlyOnce("| functions: storms |")
        .containsOnlyOnce("| functions: warm |")
        .endsWith(notes);
    assertThat(Merge.of(merged, report("warm", "--nodes", "10"), "later")).isEqualTo(merged);
    assertThat(
            Merge.of(
                merged, new Report(Options.parse("many"), new Figures(), MACHINE).text(), "later"))
        .as("before anything was measured")
        .contains(merged.substring(merged.indexOf("## Runs")));
  }

  @Test
  void what_was_written_by_hand_stays() {
    String notes = "## Why, and what was tried\n\nBy hand.\n";

    assertThat(Report.notes("# Benchmarks\n\n" + notes)).isEqualTo(notes);
    assertThat(Report.notes("# Benchmarks\n")).isEmpty();
  }
}
