package dev.chaperone.lab.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.chaperone.lab.bench.SimulatedDay.Rates;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class SimulatedDayTest {
  private static final Duration START = Duration.ofMillis(500);

  private static Rates rates(int holds, double restarted) {
    return new Rates(
        Duration.ofMinutes(10),
        Duration.ofMinutes(1),
        0,
        Duration.ofMinutes(5),
        restarted,
        Duration.ofSeconds(20),
        holds,
        Duration.ofHours(1));
  }

  @Test
  void a_day_of_pulses_alone_is_a_start_and_a_stay_for_each() {
    SimulatedDay day = SimulatedDay.of(50, rates(0, 0), START);

    assertThat(day.starts()).isEqualTo(24 * 6);
    assertThat(day.awake())
        .isCloseTo(24 * 6 * (0.5 + SimulatedDay.STAYS.toSeconds()), within(0.001));
  }

  @Test
  void more_events_never_shorten_it_and_a_busy_day_has_one_start() {
    double quiet = SimulatedDay.of(50, rates(0, 0), START).awake();
    double held = SimulatedDay.of(50, rates(4, 0), START).awake();
    SimulatedDay busy = SimulatedDay.of(5_000, rates(4, 20), START);

    assertThat(held).isGreaterThan(quiet);
    assertThat(busy.starts()).isOne();
    assertThat(busy.share()).isEqualTo(1);
  }

  @Test
  void the_same_day_comes_each_time() {
    assertThat(SimulatedDay.of(500, Rates.USUAL, START))
        .isEqualTo(SimulatedDay.of(500, Rates.USUAL, START));
  }
}
