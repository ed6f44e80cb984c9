package dev.chaperone.lab.bench;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class TargetTest {
  @Test
  void every_figure_has_to_be_within_the_limit() {
    Target target = Target.atMost(1.5, "", "A ≤ 1.5 × B").see("small", 1.5).see("large", 1.51);

    assertThat(target.verdict()).isEqualTo("**missed**");
    assertThat(target.seen()).isEqualTo("small 1.50; large 1.51");
    assertThat(Target.atMost(1.5, "", "").see("", 1.504).verdict()).isEqualTo("met");
    assertThat(Target.atLeast(300, "/s", "").see("", 299).verdict()).isEqualTo("**missed**");
  }

  @Test
  void without_all_its_figures_it_is_neither_met_nor_missed() {
    assertThat(Target.atMost(1, "", "").verdict()).isEqualTo("no figure");
    assertThat(Target.atMost(1, "", "").see("one", 0.5).see("other", Double.NaN).verdict())
        .isEqualTo("no figure");
  }
}
