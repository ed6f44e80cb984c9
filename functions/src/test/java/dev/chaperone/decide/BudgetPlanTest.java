package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetSpec;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BudgetPlanTest {
  private final World world = new World().nodes(5).settle();

  @ParameterizedTest
  @CsvSource({"1, 4", "2, 3", "7, 0", "40%, 3", "41%, 2", "1%, 4", "100%, 0"})
  void open_lets_as_many_pods_go_as_kubernetes_would_round_to(String maxUnavailable, int stay) {
    world.spec =
        World.spec(
            Policy.Auto, new IntOrString(parse(maxUnavailable)), Protect.Pods, Protect.Nodes);

    world.settle();

    assertThat(spec("agent-pods").getMinAvailable()).isEqualTo(new IntOrString(stay));
    assertThat(spec("agent-nodes").getMinAvailable()).isEqualTo(new IntOrString(stay));
  }

  @Test
  void closed_stays_closed_for_pods_that_are_added() {
    world.hold("rebuild", null).settle();

    assertThat(spec("agent-pods").getMinAvailable().getIntVal()).isGreaterThan(1_000_000);
    assertThat(spec("agent-nodes").getMinAvailable().getIntVal()).isGreaterThan(1_000_000);
    assertThat(spec("agent-nodes").getMaxUnavailable()).isNull();
  }

  @Test
  void closed_means_closed_for_unhealthy_pods_too_and_open_lets_them_go() {
    assertThat(spec("agent-nodes").getUnhealthyPodEvictionPolicy()).isEqualTo("AlwaysAllow");

    world.hold("rebuild", null).settle();

    assertThat(spec("agent-nodes").getUnhealthyPodEvictionPolicy()).isEqualTo("IfHealthyBudget");
  }

  @Test
  void closing_comes_before_everything_else_and_opening_after_it() {
    world.hold("rebuild", null).node("node-6").controllers();
    assertThat(kinds(world.decide().changes()))
        .containsExactly("PodDisruptionBudget", "PodDisruptionBudget", "Deployment");

    world.settle();
    world.holds.clear();
    world.node("node-7").controllers();
    assertThat(kinds(world.decide().changes()))
        .containsExactly("Deployment", "PodDisruptionBudget", "PodDisruptionBudget");
  }

  @Test
  void a_budget_is_written_on_the_version_that_was_read() {
    world.budgets.get("agent-nodes").getMetadata().setResourceVersion("42");
    world.hold("rebuild", null);

    assertThat(world.decide().changes())
        .filteredOn(change -> change.object().getMetadata().getName().equals("agent-nodes"))
        .singleElement()
        .satisfies(
            change ->
                assertThat(((Change.Replace) change).seen().getMetadata().getResourceVersion())
                    .isEqualTo("42"));
  }

  @Test
  void a_budget_of_somebody_else_is_left_alone() {
    PodDisruptionBudget theirs = world.budgets.get("agent-nodes");
    theirs.getMetadata().setOwnerReferences(List.of());
    world.hold("rebuild", null);

    assertThat(world.decide().changes())
        .noneMatch(change -> change.object().getMetadata().getName().equals("agent-nodes"));
  }

  @Test
  void a_target_that_is_missing_for_minutes_takes_guards_and_budgets_away() {
    world.target = null;
    world.settle();
    assertThat(world.guardedNodes()).hasSize(5);
    assertThat(world.drain("node-1")).isFalse();

    world.now = world.now.plusSeconds(300);
    world.settle();

    assertThat(world.budgets).isEmpty();
    assertThat(world.guards).isNull();
  }

  private PodDisruptionBudgetSpec spec(String budget) {
    return world.budgets.get(budget).getSpec();
  }

  private static Object parse(String maxUnavailable) {
    return maxUnavailable.endsWith("%") ? maxUnavailable : Integer.parseInt(maxUnavailable);
  }

  private static List<String> kinds(List<Change> changes) {
    return changes.stream().map(change -> change.object().getKind()).toList();
  }
}
