package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class OwnBudgetsTest {
  private final World world = new World().nodes(3).settle();

  @Test
  void of_a_budget_that_was_read_twice_the_first_counts() {
    var budgets = List.copyOf(world.budgets.values());
    var later = budgets.stream().map(it -> it.edit().build()).toList();

    assertThat(new OwnBudgets(world.companion, budgets).and(later))
        .usingElementComparator((one, other) -> one == other ? 0 : 1)
        .containsExactlyElementsOf(budgets);
  }
}
