package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec.MaintenanceWindow;
import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.Hold;
import io.fabric8.kubernetes.api.model.IntOrString;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class KnownFactsTest {
  private final World world = new World().nodes(3).settle();

  @Test
  void a_hold_closes_at_once_what_the_decision_on_everything_would_close() {
    world.hold("rebuild", null);

    assertThat(closing())
        .hasSize(2)
        .extracting(change -> change.object().getMetadata().getName())
        .containsExactly("agent-nodes", "agent-pods");
  }

  @Test
  void what_was_closed_at_once_is_closed_as_the_decision_wants_it() {
    world.hold("rebuild", null);
    closing().forEach(world::apply);

    assertThat(world.decide().changes())
        .noneMatch(it -> it.object().getKind().equals("PodDisruptionBudget"));
  }

  /// A budget that is closed for an expression is closed for the Hold too, and says so: whoever
  /// read it before decided on older reasons.
  @Test
  void one_more_reason_is_noted_on_a_budget_that_is_closed_already() {
    world.hold("first", null).settle().hold("second", null);

    assertThat(closing()).hasSize(2);
  }

  @Test
  void what_is_closed_is_left_alone() {
    world.hold("rebuild", null).settle();

    assertThat(closing()).isEmpty();
  }

  @Test
  void where_no_hold_counts_none_closes() {
    world.spec = World.spec(Policy.AlwaysAllow, new IntOrString(1), Protect.Pods, Protect.Nodes);

    assertThat(closing()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "2026-11-24T06:00:01Z, 0",
    // It has just ended, or nobody knows when it does: the Hold counts.
    "2026-11-24T06:00:00Z, 2",
    "soon, 2",
  })
  void until_break_glass_ends_no_hold_closes(String until, int closing) {
    world.breakGlass(until).hold("rebuild", null);

    assertThat(closing()).hasSize(closing);
  }

  @Test
  void budgets_of_others_are_left_alone() {
    world.budgets.values().forEach(it -> it.getMetadata().setOwnerReferences(List.of()));

    assertThat(closing()).isEmpty();
  }

  /// A budget says for which of them it is closed: one that is not marked would be taken for one
  /// that came later, and the budget be written anew each time.
  @Test
  void the_reasons_that_the_known_facts_give_are_those_that_are_early() {
    world.spec = World.spec(Policy.AlwaysHold, new IntOrString(1), Protect.Nodes);
    world.hold("rebuild", null);
    world.window(new MaintenanceWindow("0 22 * * *", "2h", "UTC"));
    List<HoldReason> given = new ArrayList<>(world.known().blocking());
    world.specUnreadable = true;
    given.addAll(world.known().blocking());

    assertThat(given)
        .extracting(HoldReason::type)
        .containsExactlyInAnyOrderElementsOf(
            Stream.of(Reason.values()).filter(Reason::isEarly).toList());
  }

  @Test
  void a_hold_is_new_until_it_has_been_told_that_it_holds() {
    Hold hold = world.hold("rebuild", null).holds.get("rebuild");
    assertThat(Holds.isNew(hold, world.now)).isTrue();

    world.settle();

    assertThat(Holds.isNew(world.holds.get("rebuild"), world.now)).isFalse();
  }

  @Test
  void an_expired_hold_is_not_new() {
    Hold hold = world.hold("rebuild", "2026-11-24T05:59:59Z").holds.get("rebuild");

    assertThat(Holds.isNew(hold, world.now)).isFalse();
  }

  @Test
  void of_a_budget_that_was_read_twice_the_first_counts() {
    var budgets = List.copyOf(world.budgets.values());
    var later = budgets.stream().map(it -> it.edit().build()).toList();

    assertThat(world.known().budgetsAnd(later))
        .usingElementComparator((one, other) -> one == other ? 0 : 1)
        .containsExactlyElementsOf(budgets);
  }

  private List<Change> closing() {
    return world.known().closing();
  }
}
