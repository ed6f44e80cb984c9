package dev.chaperone.lab.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class SpreadTest {
  @Test
  void a_quantile_is_the_smallest_time_within_which_so_many_were_done() {
    Spread spread =
        Spread.ofNanos(LongStream.rangeClosed(1, 200).map(it -> it * 1_000_000).boxed().toList());

    assertThat(spread.p50()).isEqualTo(100);
    assertThat(spread.p99()).isEqualTo(198);
    assertThat(spread.max()).isEqualTo(200);
    assertThat(spread).hasToString("100.0 / 198.0 / 200.0");
  }

  @Test
  void one_time_is_every_quantile() {
    Spread spread = Spread.ofNanos(List.of(5_000_000L));

    assertThat(spread.p50()).isEqualTo(5);
    assertThat(spread.p99()).isEqualTo(5);
  }
}
