package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.decide.Written.Refusal;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// What is said is what was achieved.
class EnforcementTest {
  private static final Taint MAINTENANCE = new Taint("NoSchedule", "maintenance", null, "");

  private final World world = new World().nodes(3);

  @Test
  void a_guard_that_does_not_run_is_no_guard_and_its_node_is_named() {
    world.breakNode("node-2").hold("rebuild", null).settle();

    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("Unknown NotEnforced");
    assertThat(world.message(Decision.ALLOWED)).contains("node-2").contains("Hold rebuild");
    assertThat(world.condition("rebuild", "Active")).isEqualTo("True Active");
    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("False NotEnforced");
    assertThat(world.condition(Decision.READY)).isEqualTo("False NodesUnguarded");
    String guard = world.guardOn("node-2").getMetadata().getName();
    assertThat(world.companion.getStatus().unprotectedGuards()).containsExactly(guard);
    assertThat(world.holds.get("rebuild").getStatus().unprotectedGuards()).containsExactly(guard);

    world.mendNode("node-2").settle();
    assertThat(world.companion.getStatus().unprotectedGuards()).isNull();
    assertThat(world.holds.get("rebuild").getStatus().unprotectedGuards()).isNull();
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("False Hold");
    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("True Enforced");
    assertThat(world.condition(Decision.READY)).isEqualTo("True Ready");
  }

  /// The policies leave the other guards to the budgets only if they know all that do not run.
  @Test
  void guards_that_do_not_run_are_told_only_where_they_are_all_that_is_missing() {
    world.breakNode("node-2").settle();
    assertThat(world.companion.getStatus().unguardedNodes()).hasSize(1);
    assertThat(world.companion.getStatus().unprotectedGuards()).isNull();

    world.hold("rebuild", null);
    Decision decision = world.decide();
    assertThat(decision.report(refused(decision)).steps().toString())
        .contains("unprotectedGuards=null")
        .doesNotContain("unprotectedGuards=[");

    World large = new World().nodes(101);
    for (int node = 1; node <= 101; node++) {
      large.breakNode("node-" + node);
    }
    large.hold("rebuild", null).settle();
    assertThat(large.condition("rebuild", "Enforced")).isEqualTo("False NotEnforced");
    assertThat(large.companion.getStatus().unprotectedGuards()).isNull();
    large.mendNode("node-1").settle();
    assertThat(large.companion.getStatus().unprotectedGuards()).hasSize(100);
  }

  @Test
  void a_budget_that_cannot_be_closed_is_said_to_be_open_in_the_words_of_who_refused() {
    world.settle().hold("rebuild", null);
    Decision decision = world.decide();
    Decision.Report report = decision.report(refused(decision));

    assertThat(report.answer().result()).isEqualTo(Answer.Result.NOT_ENFORCED);
    assertThat(report.answer().message()).contains("agent-nodes is open: policy says no");
    assertThat(report.summary().whyIneffective("uid-rebuild"))
        .get()
        .asString()
        .contains("policy says no");
    assertThat(report.summary().mayBecomeEffective()).isTrue();
  }

  @Test
  void no_drain_is_said_to_be_blocked_by_a_budget_that_could_not_be_closed() {
    world.marksNodes = true;
    world.settle().cordon("node-1").hold("rebuild", null);
    Decision decision = world.decide();

    assertThat(decision.report(refused(decision)).steps().toString())
        .contains("blockedNodes=[]")
        .doesNotContain("blocks the drain");
    assertThat(world.canBeDrained("node-1")).isTrue();
  }

  /// The follower's pods are in two budgets, which is no word about the guards.
  @Test
  void a_budget_of_others_over_the_followers_pods_closes_nothing_over_the_guards() {
    world.settle();
    world.budget(
        new PodDisruptionBudgetBuilder()
            .withNewMetadata()
            .withName("foreign")
            .endMetadata()
            .withNewSpec()
            .withNewSelector()
            .addToMatchLabels("app", "agent")
            .endSelector()
            .endSpec()
            .build());
    Decision decision = world.decide();

    assertThat(decision.verdict().reason()).isEqualTo(Reason.OverlappingBudget);
    assertThat(decision.report(Written.NOTHING).answer().result())
        .isEqualTo(Answer.Result.NOT_ENFORCED);
  }

  @Test
  void a_budget_that_somebody_changes_on_its_way_is_said_to_be_open() {
    world.settle().hold("rebuild", null);

    // Stored, but not as it was written.
    Decision.Report report =
        world.decide().report(new Written(List.copyOf(world.budgets.values()), List.of()));

    assertThat(report.answer().result()).isEqualTo(Answer.Result.NOT_ENFORCED);
  }

  @Test
  void what_uses_up_max_unavailable_is_named_and_the_drain_that_waits_for_it() {
    world.settle();
    Pod guard = world.guardOn("node-2");
    guard.getStatus().getConditions().getFirst().setStatus("False");
    world.cordon("node-3").controllers();
    world.event(false);
    world.controllers();

    world.event(false);

    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("False MaxUnavailableReached");
    assertThat(world.message(Decision.ALLOWED)).contains("node-2 (guard not ready)");
    assertThat(world.companion.getStatus().blockedNodes()).containsExactly("node-3");
  }

  @Test
  void a_drained_node_is_told_apart_from_one_that_was_cordoned_before_it_had_a_guard() {
    world.cordon("node-1").hold("rebuild", null).settle();
    assertThat(world.message(Decision.ALLOWED)).contains("node-1 (cordoned before it had a guard");

    World drained = new World().nodes(3).settle();
    assertThat(drained.drain("node-1")).isTrue();
    drained.hold("rebuild", null).settle();
    assertThat(drained.condition(Decision.ALLOWED)).isEqualTo("False Hold");
    assertThat(drained.companion.getStatus().drainedNodes().nodes()).containsExactly("node-1");
  }

  @Test
  void nodes_on_which_the_target_never_runs_count_for_nothing() {
    World half = new World().nodes(5).emptyNode("node-4").emptyNode("node-5").settle();

    assertThat(half.guardPods).hasSize(3);
    assertThat(half.condition(Decision.ALLOWED)).isEqualTo("True NothingHolds");
    assertThat(half.budgets.get("agent-nodes").getStatus().getDisruptionsAllowed()).isEqualTo(1);

    half.mendNode("node-4").settle();
    assertThat(half.guardedNodes()).contains("node-4").hasSize(4);
  }

  @Test
  void a_node_that_was_tainted_before_is_guarded_and_one_that_is_emptied_by_its_taint_not_again() {
    // Its target pod was there before the taint.
    world.controllers();
    world.taint("node-1", MAINTENANCE).settle();
    assertThat(world.guardedNodes()).contains("node-1");

    world.guardPods.values().removeIf(pod -> "node-1".equals(pod.getSpec().getNodeName()));
    world.settle();

    assertThat(world.guardedNodes()).containsExactlyInAnyOrder("node-2", "node-3");
    assertThat(world.companion.getStatus().drainedNodes().nodes()).containsExactly("node-1");
    world.uncordon("node-1").settle();
    assertThat(world.guardedNodes()).contains("node-1");
  }

  @Test
  void pods_that_a_budget_would_count_as_guards_close_it() {
    world.settle();
    for (int i = 1; i <= 3; i++) {
      world.lookAlike("foreign-" + i, Made.guardSelector(world.companion));
    }
    world.controllers();
    world.event(false);
    world.controllers();

    world.event(false);

    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("False ForeignGuards");
    assertThat(world.message(Decision.ALLOWED)).contains("foreign-1, foreign-2, foreign-3");
    assertThat(world.drain("node-1")).isFalse();

    world.lookAlikes.clear();
    world.uncordon("node-1").settle();
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True NothingHolds");
  }

  @Test
  void break_glass_counts_no_pods_of_others_among_the_nodes_that_stay() {
    world.spec = World.spec(Policy.AlwaysAllow, new IntOrString(1), Protect.Pods, Protect.Nodes);
    world.settle();
    for (int i = 1; i <= 2; i++) {
      world.lookAlike("foreign-" + i, Made.guardSelector(world.companion));
    }
    world.controllers();

    world.settle();

    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True AlwaysAllow");
    assertThat(world.drain("node-1")).isTrue();
    assertThat(world.drain("node-2")).isFalse();
  }

  @Test
  void guards_are_replaced_only_when_nothing_holds_and_with_the_budget_closed() {
    world.hold("rebuild", null).settle();
    List<String> before = List.copyOf(world.guardPods.keySet());
    world.settings = GuardSettings.of("guard:2");
    world.settle();
    assertThat(world.guardPods.keySet()).containsExactlyElementsOf(before);
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("False Hold");

    world.holds.clear();
    boolean closed = true;
    for (int i = 0; i < 20 && !isUpdated(); i++) {
      world.event(false);
      closed &= isUpdated() || BudgetSpecs.isClosed(world.budgets.get("agent-nodes").getSpec());
      world.controllers();
      assertThat(world.guardedNodes().size()).isGreaterThanOrEqualTo(2);
    }

    assertThat(isUpdated()).isTrue();
    assertThat(closed).isTrue();
    assertThat(world.settle().condition(Decision.ALLOWED)).isEqualTo("True NothingHolds");
    assertThat(Optional.ofNullable(world.guards).orElseThrow().getSpec().getPaused()).isTrue();
  }

  /// A status that was lost may have said that something held a moment ago.
  @Test
  void a_status_that_was_lost_begins_by_settling() {
    world.settlePeriod("60s").settle();
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True NothingHolds");

    world.companion.setStatus(null);
    world.event(false);
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("False Settling");

    world.now = world.now.plusSeconds(60);
    world.event(true);
    world.controllers();
    world.event(true);
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True NothingHolds");
  }

  private boolean isUpdated() {
    String wanted =
        Drift.hash(Optional.ofNullable(world.guards).orElseThrow().getSpec().getTemplate());
    return world
            .guards
            .getSpec()
            .getTemplate()
            .getSpec()
            .getContainers()
            .getFirst()
            .getImage()
            .equals("guard:2")
        && world.guardPods.values().stream().allMatch(it -> Roster.revision(it).equals(wanted))
        && world.guardedNodes().size() == 3;
  }

  private static Written refused(Decision decision) {
    return new Written(
        List.of(),
        decision.changes().stream().map(it -> new Refusal(it, "policy says no", true)).toList());
  }
}
