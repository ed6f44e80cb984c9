package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class HoldsTest {
  private static final Instant END = Instant.parse("2026-11-24T07:00:00Z");

  private final World world = new World().nodes(2).settle();

  @Test
  void what_an_event_made_goes_an_hour_after_its_end() {
    hold("of-an-event", END.toString(), true);
    world.settle();
    assertThat(world.decide().verdict().allowed()).isFalse();

    world.now = END;
    world.settle();
    assertThat(world.decide().verdict().allowed()).isTrue();
    assertThat(world.holds).containsKey("of-an-event");

    world.now = END.plus(Duration.ofMinutes(59));
    world.settle();
    assertThat(world.holds).containsKey("of-an-event");

    world.now = END.plus(Duration.ofHours(1));
    assertThat(deleted()).containsExactly("of-an-event");
    world.settle();
    assertThat(world.holds).isEmpty();
  }

  @Test
  void what_people_made_and_what_has_no_end_stays() {
    hold("by-hand", END.toString(), false);
    hold("without-end", null, true);
    hold("unreadable-end", "tomorrow", true);
    world.settle();

    world.now = END.plus(Duration.ofDays(365));
    world.settle();

    assertThat(deleted()).isEmpty();
    assertThat(world.holds).containsOnlyKeys("by-hand", "without-end", "unreadable-end");
  }

  @Test
  void what_is_left_over_goes_while_something_else_holds() {
    hold("left-over", END.toString(), true);
    hold("other", null, false);
    world.now = END.plus(Duration.ofHours(2));

    world.settle();

    assertThat(world.holds).containsOnlyKeys("other");
    assertThat(world.decide().verdict().allowed()).isFalse();
  }

  private void hold(String name, @Nullable String end, boolean byEvent) {
    world.hold(name, end);
    if (byEvent) {
      world.holds.get(name).getMetadata().setAnnotations(Map.of("chaperone.dev/source", "/alerts"));
    }
  }

  private List<String> deleted() {
    return world.decide().changes().stream()
        .filter(Change.Delete.class::isInstance)
        .map(it -> it.object().getMetadata().getName())
        .toList();
  }
}
