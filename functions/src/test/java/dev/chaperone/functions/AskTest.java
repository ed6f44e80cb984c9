package dev.chaperone.functions;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.Companion;
import dev.chaperone.decide.GuardSettings;
import dev.chaperone.decide.KnownFacts;
import dev.chaperone.decide.Occasion;
import dev.chaperone.decide.Scope;
import dev.chaperone.decide.Settings;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class AskTest {
  private static final KnownFacts READ_BEFORE =
      new KnownFacts(
          Instant.parse("2026-11-24T06:00:00Z"),
          new Settings(Scope.CLUSTER, GuardSettings.of("guard:1"), false, false, null),
          new Companion(),
          List.of(),
          List.of(),
          null);

  /// A Hold of one node, for example: made after the one has read, it is what the other asks for.
  @Test
  void a_run_for_two_events_uses_nothing_that_one_of_them_has_read_before() {
    Ask read = Ask.look(Occasion.CHANGE, READ_BEFORE);
    Ask late = Ask.look(Occasion.PULSE);

    assertThat(read.known()).isEqualTo(READ_BEFORE);
    assertThat(read.and(late)).isEqualTo(Ask.look(Occasion.PULSE));
    assertThat(late.and(read)).isEqualTo(Ask.look(Occasion.PULSE));
    assertThat(read.and(read).known()).isNull();
  }

  @Test
  void a_run_for_two_events_is_about_the_nodes_of_both() {
    Occasion gone = new Occasion(false, Set.of("gone"), Set.of(), Set.of());
    Occasion fresh = new Occasion(false, Set.of(), Set.of("new"), Set.of("new"));

    assertThat(Ask.look(gone).and(Ask.look(fresh)).occasion())
        .isEqualTo(new Occasion(false, Set.of("gone"), Set.of("new"), Set.of("new")));
  }
}
