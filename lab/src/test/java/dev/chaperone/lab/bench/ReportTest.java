package dev.chaperone.lab.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.lab.bench.Contender.Kind;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

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

  @Test
  void what_was_written_by_hand_stays() {
    String notes = "## Why, and what was tried\n\nBy hand.\n";

    assertThat(Report.notes("# Benchmarks\n\n" + notes)).isEqualTo(notes);
    assertThat(Report.notes("# Benchmarks\n")).isEmpty();
  }
}
