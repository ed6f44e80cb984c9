package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.Policy;
import io.fabric8.kubernetes.api.model.IntOrString;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SettingsTest {
  @ParameterizedTest
  @CsvSource({
    // the Companion's, the installation's, what counts
    "     ,     ,",
    "12h  ,     , 12h",
    "     , 24h , 24h",
    "12h  , 24h , 12h",
    "720m , 12h , 720m",
    "48h  , 24h , 24h",
  })
  void the_shorter_maximum_counts(
      @Nullable String asked, @Nullable String most, @Nullable String counts) {
    Disruption disruption =
        new Disruption(Policy.Auto, List.of(), new IntOrString(1)).withMaxHoldDuration(asked);

    assertThat(settings(most).within(disruption).maxHoldDuration()).isEqualTo(counts);
  }

  @ParameterizedTest
  @ValueSource(strings = {"a day", "0s", "-1h", "24"})
  void a_maximum_that_is_no_duration_is_refused(String most) {
    assertThatThrownBy(() -> settings(most))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("chaperone.max-hold-duration must be a duration like 24h or 90m")
        .hasMessageContaining(most);
  }

  @Test
  void a_hold_says_when_the_maximum_ends_it() {
    World world = new World().nodes(1).settle();
    world.maxHoldDuration = "2h";
    world.hold("rebuild", null).settle();

    assertThat(world.message(Decision.ALLOWED))
        .contains("Hold rebuild: reason of rebuild (since ")
        .contains(", until 2026-11-24T07:00:00Z)");
    world.now = world.now.plusSeconds(3600);
    assertThat(world.event(true).verdict().reason()).isEqualTo(Reason.MaxHoldDurationExceeded);
  }

  private static Settings settings(@Nullable String maxHoldDuration) {
    return new Settings(Scope.CLUSTER, GuardSettings.of("guard:1"), false, false, maxHoldDuration);
  }
}
