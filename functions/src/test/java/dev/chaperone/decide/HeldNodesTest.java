package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Holds of one node: in the situations that there are, and whatever happens between the writes of
/// two processes.
@Execution(ExecutionMode.CONCURRENT)
class HeldNodesTest {
  private static final int HISTORIES = Boolean.getBoolean("chaperone.thorough") ? 5000 : 500;

  private final World world = new World().nodes(4).settle();
  private final Drains drains = new Drains(world);

  private static final Map<String, String> RACK = Map.of("rack", "r1");

  /// Since when nodes have the label.
  private final Map<String, Instant> labeled = new TreeMap<>();

  /// The nodes that Hold `rack` says it holds, for as long as they have the label.
  private final Set<String> rack = new TreeSet<>();

  @Test
  void a_held_node_stays_and_the_others_go_one_at_a_time() {
    world.holdNode("rebuild", "node-2").settle();

    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("True Enforced");
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True NodesHeld");
    assertThat(world.message(Decision.ALLOWED))
        .contains("Hold rebuild of node node-2: reason of rebuild");
    assertThat(world.drain("node-2")).isFalse();
    assertThat(world.drain("node-1")).isTrue();
    assertThat(world.settle().drain("node-3")).isFalse();
    world.settle();
    assertThat(world.companion.getStatus().blockedNodes())
        .containsExactlyInAnyOrder("node-2", "node-3");

    world.uncordon("node-1").settle();
    assertThat(world.drain("node-3")).isTrue();
  }

  @Test
  void when_its_hold_ends_it_goes_as_all_others() {
    world.holdNode("rebuild", "node-2").settle();
    world.holds.clear();
    world.settle();

    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True NothingHolds");
    assertThat(world.budget("agent-held").getSpec().getMaxUnavailable())
        .isEqualTo(new IntOrString(0));
    assertThat(world.guardPods.values()).allMatch(it -> GuardLabels.heldFor(it) == null);
    assertThat(world.companion.getStatus().heldNodes()).isEmpty();
    assertThat(world.drain("node-2")).isTrue();
    assertThat(world.settle().drain("node-1")).isFalse();
  }

  @Test
  void a_hold_of_every_node_besides_holds_them_all() {
    world.holdNode("rebuild", "node-2").hold("freeze", null).settle();

    world.nodes.keySet().forEach(node -> assertThat(world.drain(node)).as(node).isFalse());
    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("True Enforced");

    world.holds.remove("freeze");
    world.settle();
    assertThat(world.drain("node-2")).isFalse();
    assertThat(world.drain("node-1")).isTrue();
  }

  @Test
  void nodes_with_the_labels_stay_and_the_others_go() {
    world.label("node-2", "rack", "r1").label("node-3", "rack", "r1").label("node-4", "rack", "r2");
    world.holdNodes("rack", Map.of("rack", "r1")).settle();

    assertThat(world.condition("rack", "Active")).isEqualTo("True Active");
    assertThat(world.condition("rack", "Enforced")).isEqualTo("True Enforced");
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True NodesHeld");
    assertThat(world.message(Decision.ALLOWED))
        .containsOnlyOnce("Hold rack of nodes with rack=r1: reason of rack");
    assertThat(world.drain("node-2")).isFalse();
    assertThat(world.drain("node-3")).isFalse();
    assertThat(world.drain("node-1")).isTrue();
    assertThat(world.settle().drain("node-4")).isFalse();
  }

  @Test
  void a_node_is_held_while_it_has_the_label() {
    world.label("node-2", "rack", "r1");
    world.holdNodes("rack", Map.of("rack", "r1")).settle();

    world.label("node-4", "rack", "r1").label("node-2", "rack", null).settle();

    assertThat(world.condition("rack", "Enforced")).isEqualTo("True Enforced");
    assertThat(world.companion.getStatus().heldNodes()).containsExactly("node-4");
    assertThat(world.drain("node-4")).isFalse();
    assertThat(world.drain("node-2")).isTrue();
    world.uncordon("node-2").label("node-4", "rack", "r2").settle();
    assertThat(world.drain("node-4")).isTrue();
  }

  @Test
  void a_new_node_with_the_label_is_held_from_its_first_guard_on() {
    world.label("node-2", "rack", "r1").holdNodes("rack", Map.of("rack", "r1")).settle();

    world.node("node-5").label("node-5", "rack", "r1");
    for (int i = 0; i < 9 && !world.guardedNodes().contains("node-5"); i++) {
      world.controllers();
      world.event(true);
    }

    assertThat(GuardLabels.heldFor(world.guardOn("node-5"))).isNotNull();
    assertThat(world.settle().drain("node-5")).isFalse();
  }

  @Test
  void labels_that_no_node_has_hold_nothing_and_the_hold_says_so() {
    world.node("node-9").emptyNode("node-9").label("node-9", "rack", "r1");
    world.holdNodes("rack", Map.of("rack", "r1")).settle();

    assertThat(world.condition("rack", "Active")).isEqualTo("False NoMatchingNodes");
    assertThat(world.message("rack", "Active")).contains("no nodes with rack=r1");
    assertThat(world.condition("rack", "Enforced")).isEqualTo("False NotActive");
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True NothingHolds");
    assertThat(world.drain("node-1")).isTrue();

    world.label("node-2", "rack", "r1").settle();
    assertThat(world.condition("rack", "Active")).isEqualTo("True Active");
    assertThat(world.condition("rack", "Enforced")).isEqualTo("True Enforced");
  }

  @Test
  void of_nodes_with_the_labels_only_those_that_are_not_protected_are_named() {
    world.guardPods.remove(world.guardOn("node-2").getMetadata().getName());
    world.breakNode("node-2").label("node-2", "rack", "r1").label("node-3", "rack", "r1");
    world.holdNodes("rack", Map.of("rack", "r1")).settle();

    assertThat(world.condition("rack", "Enforced")).isEqualTo("False NotEnforced");
    assertThat(world.message("rack", "Enforced")).contains("node-2").doesNotContain("node-3");
    assertThat(Objects.requireNonNull(world.holds.get("rack").getStatus()).unprotectedGuards())
        .containsExactly(world.guardOn("node-2").getMetadata().getName());
    assertThat(world.canBeDrained("node-3")).isFalse();
  }

  @Test
  void of_nodes_with_the_labels_those_that_were_drained_before_are_named() {
    world.label("node-2", "rack", "r1").label("node-3", "rack", "r1");
    assertThat(world.drain("node-2")).isTrue();
    world.holdNodes("rack", Map.of("rack", "r1")).settle();

    assertThat(world.condition("rack", "Enforced")).isEqualTo("True Enforced");
    assertThat(world.message("rack", "Enforced")).contains("already drained: node-2");

    world.label("node-3", "rack", null).settle();
    assertThat(world.condition("rack", "Enforced")).isEqualTo("False NotEnforced");
    assertThat(world.message("rack", "Enforced")).contains("was drained before");
  }

  @Test
  void while_the_target_is_away_the_nodes_with_the_labels_stay() {
    world.label("node-2", "rack", "r1").holdNodes("rack", Map.of("rack", "r1")).settle();

    world.target = null;
    world.settle();

    assertThat(world.canBeDrained("node-2")).isFalse();
    assertThat(GuardLabels.heldFor(world.guardOn("node-2"))).isNotNull();
    assertThat(world.budget("agent-held").getSpec().getMinAvailable()).isNotNull();
  }

  /// A process that has seen what held before as ended, and has not written that yet.
  private Look aboutToMoveBack(List<String> told) {
    Look late = new Look(world);
    for (int i = 0; i < 500 && !late.isAboutToMoveBack(); i++) {
      world.controllers();
      late.step(told, true);
    }
    assertThat(late.isAboutToMoveBack()).as("%s", told).isTrue();
    return late;
  }

  /// Whoever made it may not know of this Hold, and takes the label away, because the one before
  /// has ended.
  @Test
  void a_hold_is_not_enforced_by_the_label_of_one_before_it() {
    world.holdNode("rebuild", "node-2").settle();
    world.holds.clear();
    List<String> told = new ArrayList<>();
    Look late = aboutToMoveBack(told);
    world.holdNode("again", "node-2");

    // Something else is refused, so that this process looks no further.
    Decision once = world.decide();
    once.changes().forEach(world::apply);
    world.count();
    world.report(once).steps().forEach(step -> step.forEach(world::apply));
    while (late.isAboutToMoveBack()) {
      late.step(told, true);
    }
    world.count();

    assertThat(world.evict("node-2")).as("%s", told).isTrue();
    assertThat(world.condition("again", "Enforced")).isEqualTo("False NotEnforced");
  }

  @Test
  void a_held_node_that_does_not_exist_keeps_no_other_of_its_domain_waiting() {
    zones();
    world.holdNode("rebuild", "node-9").settle();
    assertThat(world.drain("node-1")).isTrue();

    assertThat(world.settle().drain("node-2")).as("two of one zone may").isTrue();
    assertThat(world.settle().drain("node-3")).isFalse();
    assertThat(world.drain("node-4")).isFalse();
  }

  @Test
  void a_guard_that_is_made_anew_moves_before_it_is_bound() {
    world.holdNode("rebuild", "node-2").settle();
    world.guardPods.remove(world.guardOn("node-2").getMetadata().getName());
    world.controllers();

    world.event(true);

    assertThat(GuardLabels.heldFor(world.guardOn("node-2"))).isNotNull();
    world.settle();
    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("True Enforced");
  }

  @Test
  void a_node_that_is_not_there_is_named() {
    world.holdNode("rebuild", "node-9").settle();

    assertThat(world.condition("rebuild", "Active")).isEqualTo("True Active");
    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("False NotEnforced");
    assertThat(world.message("rebuild", "Enforced")).contains("no guard on node node-9");
    assertThat(world.drain("node-1")).isTrue();

    world.node("node-9").settle();
    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("True Enforced");
  }

  @Test
  void a_guard_that_does_not_run_is_named_and_alone_refused() {
    world.guardPods.remove(world.guardOn("node-2").getMetadata().getName());
    world.breakNode("node-2").holdNode("rebuild", "node-2").settle();

    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("False NotEnforced");
    assertThat(world.message("rebuild", "Enforced")).contains("no running guard on node-2");
    assertThat(Objects.requireNonNull(world.holds.get("rebuild").getStatus()).unprotectedGuards())
        .containsExactly(world.guardOn("node-2").getMetadata().getName());
    assertThat(world.drain("node-1")).as("one node is unavailable already").isFalse();

    world.mendNode("node-2").settle();
    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("True Enforced");
    assertThat(Objects.requireNonNull(world.holds.get("rebuild").getStatus()).unprotectedGuards())
        .isNull();
  }

  @Test
  void guards_are_not_replaced_while_a_node_is_held_and_the_others_go_meanwhile() {
    world.holdNode("rebuild", "node-2").settle();
    String before = world.guardOn("node-2").getMetadata().getName();
    world.settings = GuardSettings.of("guard:2");
    world.settle();

    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True NodesHeld");
    assertThat(world.drain("node-1")).isTrue();
    assertThat(world.guardOn("node-2").getMetadata().getName()).isEqualTo(before);

    world.uncordon("node-1");
    world.holds.clear();
    world.settle();
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True NothingHolds");
    assertThat(world.guardOn("node-2").getMetadata().getName()).isNotEqualTo(before);
  }

  @Test
  void nothing_is_said_to_be_enforced_for_a_guard_that_no_budget_selects() {
    world.holdNode("rebuild", "node-2").hold("freeze", null).settle();
    world.budgets.remove("agent-held");

    world.refusedEvent("exceeded quota");

    assertThat(world.canBeDrained("node-2")).isTrue();
    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("False NotEnforced");
    assertThat(world.condition("freeze", "Enforced")).isEqualTo("False NotEnforced");
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("Unknown NotEnforced");
    assertThat(world.message(Decision.ALLOWED))
        .contains("PodDisruptionBudget agent-held does not exist: exceeded quota");

    world.settle();
    assertThat(world.condition("freeze", "Enforced")).isEqualTo("True Enforced");
  }

  @Test
  void without_guards_no_node_can_be_held_alone() {
    world.spec = World.spec(Policy.Auto, new IntOrString(1), Protect.Pods);
    world.holdNode("rebuild", "node-2").settle();

    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("False NotEnforced");
    assertThat(world.message("rebuild", "Enforced")).contains("does not name Nodes");
  }

  @Test
  void break_glass_lets_it_go() {
    world.holdNode("rebuild", "node-2").settle();
    world.spec = World.spec(Policy.AlwaysAllow, new IntOrString(1), Protect.Nodes);
    world.settle();

    assertThat(world.condition("rebuild", "Active")).isEqualTo("False AlwaysAllow");
    assertThat(world.drain("node-2")).isTrue();
  }

  /// Not even after them in the same look: the API server may refuse a budget.
  @Test
  void a_guard_moves_only_once_both_budgets_are_seen_to_be_right() {
    world.holdNode("rebuild", "node-2");

    assertThat(world.decide().changes())
        .anyMatch(
            it ->
                it instanceof Change.Create
                    && it.object().getMetadata().getName().equals("agent-held"))
        .noneMatch(Change.SetApart.class::isInstance);
  }

  @Test
  void a_hold_is_not_enforced_before_the_guard_has_moved() {
    world.holdNode("rebuild", "node-2");

    world.report(world.decide()).steps().forEach(step -> step.forEach(world::apply));

    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("False NotEnforced");
    assertThat(world.message("rebuild", "Enforced")).contains("is not protected yet");
  }

  @Test
  void a_guard_is_bound_to_a_held_node_only_once_it_is_seen_to_have_moved() {
    world.holdNode("rebuild", "node-2").settle();
    world.guardPods.remove(world.guardOn("node-2").getMetadata().getName());
    world.controllers();
    List<Change> first = Decision.of(world.snapshot(true)).changes();
    assertThat(first).noneMatch(Change.Bind.class::isInstance);
    // The budget of the others asks for one guard more first.
    first.forEach(world::apply);

    assertThat(Decision.of(world.snapshot(true)).changes())
        .anyMatch(Change.SetApart.class::isInstance)
        .noneMatch(Change.Bind.class::isInstance);
  }

  /// The disruption controller may see a budget before it sees the guards that have left it.
  @Test
  void the_others_wait_until_the_guard_is_counted_where_it_is_now() {
    world.countsLate = true;
    world.holdNode("rebuild", "node-2");
    world.seePods();
    lookUnseen();
    assertThat(GuardLabels.heldFor(world.guardOn("node-2"))).isNotNull();
    assertThat(asked()).isEqualTo(3);
    assertThat(world.decide().isMoving()).isTrue();
    assertThat(world.decide().isPending()).isTrue();

    world.budget("agent-nodes").getStatus().setDisruptionsAllowed(0);
    world.report(world.decide()).steps().forEach(step -> step.forEach(world::apply));
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("False MaxUnavailableReached");
    assertThat(world.message(Decision.ALLOWED)).contains("on their way to another budget");

    world.seePods();
    lookUnseen();
    assertThat(asked()).isEqualTo(2);
    assertThat(world.decide().isMoving()).isFalse();
    assertThat(world.evict("node-1")).isTrue();
    assertThat(world.evict("node-3")).isFalse();
  }

  @Test
  void a_zone_goes_on_one_by_one_until_the_others_are_counted_where_they_are_now() {
    zones();
    assertThat(world.drain("node-1")).isTrue();
    world.countsLate = true;
    lookUnseen();
    assertThat(world.guardPods.values())
        .filteredOn(it -> GuardLabels.heldFor(it) != null)
        .hasSize(3);
    assertThat(asked()).isEqualTo(5);
    assertThat(world.evict("node-2")).isFalse();

    world.seePods();
    lookUnseen();
    assertThat(asked()).isEqualTo(1);
    assertThat(world.evict("node-2")).isTrue();
    assertThat(world.evict("node-3")).isFalse();
  }

  /// It was counted before: that another guard moves takes nothing back.
  @Test
  void for_another_guard_that_is_not_counted_yet_the_budget_asks_for_no_more() {
    world.label("node-2", "rack", "r1").label("node-3", "rack", "r1");
    world.holdNodes("rack", RACK).settle();
    assertThat(asked()).isEqualTo(1);
    world.guardPods.remove(world.guardOn("node-2").getMetadata().getName());
    world.settle();
    assertThat(asked()).isEqualTo(1);
    PodDisruptionBudget held = world.budget("agent-held");
    held.getStatus().setExpectedPods(1);

    assertThat(world.decide().changes()).isEmpty();
    assertThat(world.decide().isMoving()).isTrue();
  }

  @Test
  void what_a_budget_counts_by_replicas_tells_nothing_of_guards() {
    world.holdNode("rebuild", "node-2").settle();
    PodDisruptionBudget held = world.budget("agent-held");
    held.setSpec(BudgetSpecs.unused(held.getSpec().getSelector()));
    held.getStatus().setExpectedPods(4);
    PodDisruptionBudget nodes = world.budget("agent-nodes");
    nodes.setSpec(BudgetSpecs.askingFor(nodes.getSpec(), 3));

    assertThat(world.decide().changes())
        .map(it -> it.object().getMetadata().getName())
        .contains("agent-held")
        .doesNotContain("agent-nodes");
  }

  /// Looks again and again, while the disruption controller counts what it has seen before.
  private void lookUnseen() {
    for (int i = 0; i < 6; i++) {
      world.now = world.now.plusMillis(1);
      world.decide().changes().forEach(world::apply);
      world.countSeen();
    }
  }

  private int asked() {
    return world.budget("agent-nodes").getSpec().getMinAvailable().getIntVal();
  }

  /// Whoever wrote it for something else has not seen what is held.
  @Test
  void a_budget_that_was_not_written_for_this_hold_asks_for_every_guard() {
    world.holdNode("rebuild", "node-2").settle();
    PodDisruptionBudget budget = world.budget("agent-nodes");
    assertThat(budget.getSpec().getMinAvailable()).isEqualTo(new IntOrString(2));
    budget.getMetadata().setAnnotations(Map.of(Made.CLOSED_FOR, "something else"));

    assertThat(world.decide().changes())
        .filteredOn(it -> it.object().getMetadata().getName().equals("agent-nodes"))
        .map(it -> ((PodDisruptionBudget) it.object()).getSpec().getMinAvailable())
        .containsExactly(new IntOrString(3));
  }

  /// One process is about to move the guards of zone b back, because zone a was whole when it
  /// looked; meanwhile a node of zone a goes out again, and another process holds zone b as before.
  @Test
  void what_is_held_once_more_is_not_moved_back_by_who_has_not_seen_that() {
    zones();
    assertThat(world.drain("node-1")).isTrue();
    world.settle().uncordon("node-1").controllers();
    List<String> told = new ArrayList<>();
    Look late = aboutToMoveBack(told);

    world.now = world.now.plusSeconds(1);
    world.ready(world.guardOn("node-2"), false);
    world.settle();
    while (late.isAboutToMoveBack()) {
      late.step(told, true);
    }
    world.count();

    assertThat(world.evict("node-4")).as("%s", told).isFalse();
  }

  /// Nodes 1 to 3 are of zone a, 4 to 6 of zone b, and two of one may go.
  private void zones() {
    String key = "topology.kubernetes.io/zone";
    world.node("node-5").node("node-6");
    world.spec = World.spec(Policy.Auto, new IntOrString(2), Protect.Nodes);
    world.nodes.forEach((name, node) -> node.getMetadata().setLabels(Map.of(key, zone(name))));
    world.domains(key, Map.of()).settle();
  }

  static Stream<Integer> seeds() {
    return IntStream.range(0, HISTORIES).boxed();
  }

  /// No node goes that a Hold says it holds, by name or by a label that comes and goes; of the
  /// others no more than may; and no guard is ever under two budgets, or under none. Now and then
  /// something else is refused, so that a process reports before its guards have moved.
  @ParameterizedTest
  @MethodSource("seeds")
  void whatever_two_processes_do_at_once_a_held_node_stays(int seed) {
    Random random = new Random(seed);
    world.countsLate = true;
    BooleanSupplier cutShort = () -> random.nextInt(8) == 0;
    List<Look> processes =
        List.of(new Look(world, cutShort, this::note), new Look(world, cutShort, this::note));
    List<String> told = new ArrayList<>();
    for (int i = 0; i < 150; i++) {
      world.now = world.now.plusMillis(1);
      String node = "node-" + (1 + random.nextInt(4));
      switch (random.nextInt(20)) {
        case 0 -> {
          if (!world.holds.containsKey(node)) {
            world.holdNode(node, node);
            told.add("hold " + node);
          }
        }
        case 1 -> {
          world.holds.remove(node);
          told.add("release " + node);
        }
        case 2 -> {
          if (random.nextInt(4) == 0) {
            world.hold("freeze", null);
          } else {
            world.holds.remove("freeze");
          }
        }
        case 3, 4 -> {
          boolean held =
              rack.contains(node)
                  || (world.holds.containsKey(node)
                      && world.condition(node, "Enforced").startsWith("True"));
          drains
              .evict(node, told)
              .ifPresent(
                  out -> {
                    assertThat(held).as("%s is held; %s", node, told).isFalse();
                    assertThat(out).as("out before %s; %s", node, told).isEmpty();
                  });
        }
        case 5 -> world.uncordon(node);
        case 6 -> {
          if (random.nextInt(4) == 0) {
            world
                .findGuard(node)
                .ifPresent(it -> world.guardPods.remove(it.getMetadata().getName()));
            world.count();
            told.add("kill " + node);
          }
        }
        case 7 -> world.controllers();
        case 8 -> countOrSee(random);
        case 9 -> {
          if (world.holds.containsKey("rack") || random.nextBoolean()) {
            world.holds.remove("rack");
            rack.clear();
            told.add("release rack");
          } else {
            world.holdNodes("rack", RACK);
            told.add("hold rack");
          }
        }
        case 10, 11 -> {
          boolean comes = random.nextBoolean();
          world.label(node, "rack", comes ? "r1" : null);
          told.add(node + (comes ? " has" : " loses") + " the label");
          if (!comes) {
            labeled.remove(node);
            rack.remove(node);
          } else {
            labeled.putIfAbsent(node, world.now);
          }
        }
        default -> processes.get(random.nextInt(2)).step(told, random.nextBoolean());
      }
      requireOneBudgetEach(told);
    }
    world.countsLate = false;
    world.nodes.keySet().forEach(world::uncordon);
    world.settle();
    for (String node : world.nodes.keySet()) {
      boolean held =
          world.holds.containsKey(node)
              || world.holds.containsKey("freeze")
              || (world.holds.containsKey("rack") && labeled.containsKey(node));
      assertThat(world.canBeDrained(node)).as("%s after %s", node, told).isEqualTo(!held);
    }
  }

  /// No two zones are out at once, and of the one no more nodes than may be.
  @ParameterizedTest
  @MethodSource("seeds")
  void whatever_two_processes_do_at_once_no_two_zones_go(int seed) {
    Random random = new Random(seed);
    zones();
    world.countsLate = true;
    List<Look> processes = List.of(new Look(world), new Look(world));
    List<String> told = new ArrayList<>();
    for (int i = 0; i < 200; i++) {
      world.now = world.now.plusMillis(1);
      String node = "node-" + (1 + random.nextInt(6));
      switch (random.nextInt(15)) {
        case 0, 1 ->
            drains
                .evict(node, told)
                .ifPresent(
                    out ->
                        assertThat(out)
                            .as("out before %s; %s", node, told)
                            .hasSizeLessThan(2)
                            .allMatch(it -> zone(it).equals(zone(node))));
        case 6 -> {
          boolean ready = random.nextBoolean();
          world.findGuard(node).ifPresent(it -> world.ready(it, ready));
          world.count();
          told.add(node + (ready ? " is ready" : " is not ready"));
        }
        case 2 -> {
          world.uncordon(node);
          told.add("uncordon " + node);
        }
        case 3 -> world.controllers();
        case 4 -> countOrSee(random);
        case 5 -> {
          if (random.nextInt(4) == 0 && !world.holds.containsKey(node)) {
            world.holdNode(node, node);
          } else {
            world.holds.remove(node);
          }
        }
        default -> processes.get(random.nextInt(2)).step(told, random.nextBoolean());
      }
      requireOneBudgetEach(told);
    }
    world.countsLate = false;
    world.holds.clear();
    world.nodes.keySet().forEach(world::uncordon);
    List.copyOf(world.guardPods.values()).forEach(it -> world.ready(it, true));
    world.settle();
    assertThat(world.nodes.keySet()).as("%s", told).allMatch(world::canBeDrained);
  }

  /// The disruption controller may see a budget before it sees the guards that have left it.
  private void countOrSee(Random random) {
    switch (random.nextInt(3)) {
      case 0 -> world.seePods();
      case 1 -> world.countSeen();
      default -> world.count();
    }
  }

  private static String zone(String node) {
    return node.compareTo("node-4") < 0 ? "a" : "b";
  }

  private void requireOneBudgetEach(List<String> told) {
    assertThat(world.guardPods.values())
        .filteredOn(it -> world.budget(it).isEmpty())
        .as("guards under no budget after %s", told)
        .map(it -> it.getMetadata().getName())
        .isEmpty();
  }

  /// What Hold `rack` says now: that it holds these nodes, as far as they had the label when it was
  /// looked for, and a guard, and have it since.
  private void note(Change.ReportHold report, Snapshot seen) {
    if (report.object().getMetadata().getName().equals("rack")) {
      rack.clear();
      if (world.condition("rack", "Enforced").startsWith("True")) {
        new NodeChoice.Labeled(new TreeMap<>(RACK))
            .in(seen.roster()).stream()
                .filter(node -> labeled.containsKey(node))
                .filter(node -> !Objects.requireNonNull(labeled.get(node)).isAfter(seen.now()))
                .filter(node -> seen.roster().guardedNodes().contains(node))
                .forEach(rack::add);
      }
    }
  }
}
