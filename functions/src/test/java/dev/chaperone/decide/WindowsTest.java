package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.FailurePolicy;
import dev.chaperone.api.CompanionSpec.MaintenanceWindow;
import dev.chaperone.api.CompanionSpec.UnhealthyNodeEvictionPolicy;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class WindowsTest {
  private final World world = new World().nodes(2);

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        // schedule; duration; zone; now; open; turns
        "0 22 * * 1-5; 6h; UTC; 2026-11-24T21:59:59Z; false; 2026-11-24T22:00:00Z",
        "0 22 * * 1-5; 6h; UTC; 2026-11-24T22:00:00Z; true; 2026-11-25T04:00:00Z",
        "0 22 * * 1-5; 6h; UTC; 2026-11-25T03:59:59Z; true; 2026-11-25T04:00:00Z",
        "0 22 * * 1-5; 6h; UTC; 2026-11-25T04:00:00Z; false; 2026-11-25T22:00:00Z",
        // Friday's runs into Saturday, and nothing begins on Saturday
        "0 22 * * 1-5; 6h; UTC; 2026-11-28T03:00:00Z; true; 2026-11-28T04:00:00Z",
        "0 22 * * 1-5; 6h; UTC; 2026-11-28T23:00:00Z; false; 2026-11-30T22:00:00Z",
        "0 22 * * 1-5; 6h; Europe/Budapest; 2026-11-24T21:00:00Z; true; 2026-11-25T03:00:00Z",
        // clocks go back in the night of 25 October, and forward on 28 March
        "30 2 * * *; 1h; Europe/Budapest; 2026-10-25T00:45:00Z; true; 2026-10-25T01:30:00Z",
        "0 22 * * *; 6h; Europe/Budapest; 2027-03-28T01:30:00Z; true; 2027-03-28T03:00:00Z",
        // windows that touch are one
        "0 * * * *; 90m; UTC; 2026-11-24T06:10:00Z; true; ANY",
        "0 0 29 2 *; 1h; UTC; 2026-11-24T06:00:00Z; false; 2028-02-29T00:00:00Z",
      })
  void is_open_from_its_first_second_to_before_its_end(
      String schedule, String duration, String zone, Instant now, boolean open, String turns) {
    world.now = now;
    window(FailurePolicy.Hold, new MaintenanceWindow(schedule, duration, zone));

    Windows windows = Windows.of(world.spec.disruption(), world.now);

    assertThat(windows.outside().isEmpty()).isEqualTo(open);
    if (!turns.equals("ANY")) {
      assertThat(windows.turns()).isEqualTo(Instant.parse(turns));
    }
    assertThat(world.decide().verdict().allowed()).isEqualTo(open);
  }

  @Test
  void one_of_several_is_enough() {
    world.now = Instant.parse("2026-11-24T06:00:00Z");
    window(
        FailurePolicy.Hold,
        new MaintenanceWindow("0 22 * * *", "1h", "UTC"),
        new MaintenanceWindow("0 5 * * *", "2h", "UTC"));

    assertThat(world.decide().verdict().allowed()).isTrue();
  }

  @ParameterizedTest
  @CsvSource({"Hold, false", "Allow, true"})
  void one_that_cannot_be_read_follows_the_failure_policy(FailurePolicy policy, boolean allowed) {
    window(policy, new MaintenanceWindow("0 99 * * *", "1h", "UTC"));
    assertThat(world.decide().verdict().allowed()).isEqualTo(allowed);
    assertThat(Windows.of(world.spec.disruption(), world.now).failures())
        .singleElement()
        .asString()
        .contains("0 99 * * *");

    window(policy, new MaintenanceWindow("0 5 * * *", "1h", "Europe/Atlantis"));
    assertThat(world.decide().verdict().allowed()).isEqualTo(allowed);
    assertThat(Windows.of(world.spec.disruption(), world.now).failures())
        .singleElement()
        .asString()
        .contains("Europe/Atlantis");
  }

  @ParameterizedTest
  @ValueSource(strings = {"0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "*/5 * 30-31 2 *"})
  void one_that_never_begins_cannot_be_read(String schedule) {
    window(FailurePolicy.Hold, new MaintenanceWindow(schedule, "1h", "UTC"));

    assertThat(world.decide().verdict().allowed()).isFalse();
    assertThat(Windows.of(world.spec.disruption(), world.now).failures())
        .containsExactly("maintenanceWindows \"" + schedule + "\" in UTC: there is no such day");
  }

  private void window(FailurePolicy policy, MaintenanceWindow... windows) {
    Disruption disruption = world.spec.disruption();
    world.spec =
        new CompanionSpec(
            world.spec.targetRef(),
            world.spec.followerRef(),
            new Disruption(
                disruption.policy(),
                disruption.protect(),
                disruption.maxUnavailable(),
                List.of(),
                List.of(),
                policy,
                null,
                null,
                List.of(windows),
                null,
                null,
                UnhealthyNodeEvictionPolicy.IfBudgetAllows));
  }
}
