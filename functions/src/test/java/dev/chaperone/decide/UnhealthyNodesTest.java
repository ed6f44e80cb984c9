package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionSpec.UnhealthyNodeEvictionPolicy;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.LabelSelectorBuilder;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Nodes whose target pod is not ready: in the situations that there are, and whatever happens
/// between the writes of two processes.
@Execution(ExecutionMode.CONCURRENT)
class UnhealthyNodesTest {
  private static final int HISTORIES = Boolean.getBoolean("chaperone.thorough") ? 5000 : 500;

  private World world = world(1);

  private static World world(int mayGo) {
    World world = new World().nodes(4);
    world.spec = World.spec(Policy.Auto, new IntOrString(mayGo), Protect.Nodes);
    return world.unhealthyNodes(UnhealthyNodeEvictionPolicy.IfNothingHolds).settle();
  }

  /// What each look writes of labels and budgets, until one writes nothing.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          nothing                         | 1 |
          node-2 unready                  | 1 | node-2 Pending; agent-nodes 4; node-2 Apart; agent-nodes 3
          node-2 unready                  | 2 | node-2 Pending; agent-nodes 3; node-2 Apart; agent-nodes 2
          node-2 unready, node-3 unready  | 1 | node-2 Pending; agent-nodes 4; node-2 Apart; agent-nodes 3
          node-2 unready, node-3 cordoned unready | 1 | node-3 Pending; agent-nodes 4; node-3 Apart; agent-nodes 3
          node-2 unready, node-3 unready  | 2 | node-2 Pending, node-3 Pending; agent-nodes 4; node-2 Apart, node-3 Apart; agent-nodes 2
          node-2 unready, node-3 drained  | 1 |
          node-2 unready, node-3 drained  | 2 | node-2 Pending; agent-nodes 3; node-2 Apart; agent-nodes 2
          node-2 unready, node-3 guard unready | 1 |
          node-2 unready guard unready    | 1 |
          node-2 missing                  | 1 |
          node-2 unready, frozen          | 1 | agent-nodes all, agent-unhealthy all
          node-2 unready held             | 1 | agent-held all, agent-nodes 3; node-2 held; agent-nodes 2
          node-2 unready, AlwaysHold      | 1 |
          node-2 unready, AlwaysAllow     | 1 | node-2 Pending; agent-nodes 4; node-2 Apart; agent-nodes 3
          node-2 unready, off             | 1 | agent-unhealthy unused
          node-2 apart, node-2 ready      | 1 | node-2 none; agent-nodes 3
          node-2 apart, node-2 drained    | 1 | agent-nodes 3
          node-2 apart, node-2 killed     | 1 | agent-nodes 3; node-2 Pending; agent-nodes 4; node-2 Apart; agent-nodes 3
          node-2 apart, node-3 guard unready | 1 | node-2 none; agent-nodes 3
          node-2 apart, node-3 cordoned unready | 1 | node-2 none; agent-nodes 3, node-3 Pending; agent-nodes 4; node-3 Apart; agent-nodes 3
          node-2 apart, off               | 1 | agent-unhealthy all; node-2 none; agent-nodes 3, agent-unhealthy unused
          node-2 apart, frozen            | 1 | agent-nodes all, agent-unhealthy all
          node-2 apart, frozen, node-2 ready | 1 | agent-nodes all, agent-unhealthy all; node-2 none; agent-nodes all
          node-2 apart held               | 1 | agent-held all, agent-nodes 3; node-2 held; agent-nodes 2, node-2 none; agent-nodes 2
          """)
  void each_look_goes_one_step(String situation, int mayGo, @Nullable String steps) {
    world = world(mayGo);
    for (String part : situation.split(", ", -1)) {
      happens(part);
    }
    world.controllers();
    List<String> looks = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      Decision decision = Decision.of(world.snapshot(true));
      List<String> written = decision.changes().stream().flatMap(this::words).toList();
      decision.changes().forEach(world::apply);
      world.controllers();
      world.report(decision).steps().forEach(step -> step.forEach(world::apply));
      if (!written.isEmpty()) {
        looks.add(String.join(", ", written.stream().sorted().toList()));
      }
    }
    assertThat(looks).isEqualTo(steps == null ? List.of() : List.of(steps.split("; ", -1)));
  }

  private void happens(String situation) {
    String[] words = situation.split(" ", -1);
    String node = words[0];
    switch (node) {
      case "nothing" -> {}
      case "frozen" -> world.hold("freeze", null);
      case "off" -> world.unhealthyNodes(UnhealthyNodeEvictionPolicy.IfBudgetAllows);
      case "AlwaysHold", "AlwaysAllow" -> {
        world.spec =
            World.spec(
                Policy.valueOf(node), world.spec.disruption().maxUnavailable(), Protect.Nodes);
        world.unhealthyNodes(UnhealthyNodeEvictionPolicy.IfNothingHolds);
        String unready =
            world.targetPods.values().stream()
                .filter(it -> !Roster.isReady(it))
                .map(Roster::nodeOf)
                .findFirst()
                .orElseThrow();
        world.targetReady(unready, true).settle();
        world.targetReady(unready, false);
      }
      default -> {
        for (int i = 1; i < words.length; i++) {
          switch (words[i]) {
            case "unready" -> world.targetReady(node, false);
            case "ready" -> world.targetReady(node, true);
            case "cordoned" -> world.cordon(node);
            case "missing" -> world.targetPods.remove("target-" + node);
            case "guard" -> {
              world.ready(world.guardOn(node), false);
              i++;
            }
            case "drained" -> {
              assertThat(world.drain(node)).isTrue();
              world.controllers();
              Decision.of(world.snapshot(true));
            }
            case "killed" -> world.guardPods.remove(name(world.guardOn(node)));
            case "held" -> world.holdNode("rebuild", node);
            case "apart" -> world.targetReady(node, false).settle();
            default -> throw new IllegalArgumentException(words[i]);
          }
        }
      }
    }
  }

  private Stream<String> words(Change change) {
    return switch (change) {
      case Change.SetApart(Pod guard, String label, String value) ->
          Stream.of(
              guard.getSpec().getNodeName()
                  + " "
                  + (label.equals(Made.HELD_FOR)
                      ? value == null ? "released" : "held"
                      : value == null ? "none" : value));
      case Change.Replace(PodDisruptionBudget budget, HasMetadata _) -> Stream.of(words(budget));
      case Change.Create(PodDisruptionBudget budget) -> Stream.of(words(budget));
      default -> Stream.of();
    };
  }

  private static String words(PodDisruptionBudget budget) {
    IntOrString least = budget.getSpec().getMinAvailable();
    return name(budget)
        + " "
        + (least == null
            ? "unused"
            : least.getIntVal() == Integer.MAX_VALUE ? "all" : least.getIntVal());
  }

  private static String name(HasMetadata object) {
    return object.getMetadata().getName();
  }

  @Test
  void a_node_whose_target_pod_is_not_ready_goes_and_the_others_wait() {
    world.targetReady("node-2", false).settle();

    assertThat(world.companion.getStatus().unhealthyNodes()).containsExactly("node-2");
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True OnlyUnhealthyNodes");
    assertThat(world.message(Decision.ALLOWED))
        .isEqualTo(
            "Only nodes whose target pod is not ready may be drained: node-2. maxUnavailable (1) is used up by node node-2 (target pod not ready); other drains continue when it is back or deleted");
    assertThat(world.drain("node-1")).isFalse();
    assertThat(world.settle().companion.getStatus().blockedNodes()).containsExactly("node-1");
    assertThat(world.drain("node-2")).isTrue();
    world.settle();
    assertThat(world.drain("node-3")).isFalse();
    assertThat(world.companion.getStatus().unhealthyNodes()).isEmpty();

    world.uncordon("node-2").targetReady("node-2", true).settle();
    assertThat(world.drain("node-3")).isTrue();
  }

  @Test
  void a_node_that_waits_to_be_drained_is_not_blocked_when_it_is_unhealthy() {
    world.targetReady("node-2", false).cordon("node-2").settle();

    assertThat(world.companion.getStatus().blockedNodes()).isEmpty();
    world.hold("freeze", null).settle();
    assertThat(world.companion.getStatus().blockedNodes()).containsExactly("node-2");
  }

  @Test
  void a_hold_of_every_node_holds_the_unhealthy_one_too() {
    world.targetReady("node-2", false).settle();
    world.hold("freeze", null).settle();

    assertThat(world.condition("freeze", "Enforced")).isEqualTo("True Enforced");
    world.nodes.keySet().forEach(node -> assertThat(world.drain(node)).as(node).isFalse());

    world.holds.clear();
    world.settle();
    assertThat(world.drain("node-1")).isFalse();
    assertThat(world.drain("node-2")).isTrue();
  }

  /// With what is known first, before anything is read of pods and nodes.
  @Test
  void a_hold_closes_both_budgets_in_one_step() {
    world.targetReady("node-2", false).settle();
    world.hold("freeze", null);

    assertThat(world.known().closing())
        .map(it -> name(it.object()))
        .containsExactlyInAnyOrder("agent-nodes", "agent-unhealthy");
    world.known().closing().forEach(world::apply);
    assertThat(UnhealthyNote.of(world.budget("agent-nodes"))).isNotNull();
    world.count();
    assertThat(world.evict("node-2")).isFalse();
  }

  @Test
  void a_hold_is_not_enforced_while_the_budget_of_unhealthy_nodes_is_open() {
    world.targetReady("node-2", false).settle();
    world.hold("freeze", null);

    world.refusedEvent("quota");

    assertThat(world.condition("freeze", "Enforced")).isEqualTo("False NotEnforced");
    assertThat(world.message("freeze", "Enforced")).contains("agent-unhealthy is open");
  }

  @Test
  void a_hold_of_the_unhealthy_node_holds_it() {
    world.targetReady("node-2", false).settle();
    world.holdNode("rebuild", "node-2").settle();

    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("True Enforced");
    assertThat(world.drain("node-2")).isFalse();
    assertThat(world.drain("node-1")).as("the held node uses up nothing").isTrue();
    world.uncordon("node-1").settle();

    world.holds.clear();
    world.settle();
    assertThat(world.drain("node-1")).isFalse();
    assertThat(world.drain("node-2")).isTrue();
  }

  @Test
  void who_does_not_ask_for_it_sees_no_difference() {
    World other = new World().nodes(4);
    other.spec = World.spec(Policy.Auto, new IntOrString(1), Protect.Nodes);
    other.settle().targetReady("node-2", false).settle();

    assertThat(other.budgets).containsOnlyKeys("agent-nodes");
    assertThat(Serialization.asYaml(other.budgets.get("agent-nodes")))
        .doesNotContain(Made.UNHEALTHY);
    assertThat(other.snapshot().roster().complete()).isFalse();
    assertThat(other.companion.getStatus().unhealthyNodes()).isNull();
    assertThat(other.drain("node-1")).isTrue();
    assertThat(other.settle().drain("node-2")).isFalse();
  }

  @Test
  void once_it_is_switched_off_its_budget_stays_and_no_guard_is_under_it() {
    world.targetReady("node-2", false).settle();

    world.unhealthyNodes(UnhealthyNodeEvictionPolicy.IfBudgetAllows).settle();

    assertThat(world.budget("agent-unhealthy").getSpec().getMaxUnavailable())
        .isEqualTo(new IntOrString(0));
    assertThat(world.guardPods.values()).allMatch(it -> GuardLabels.unhealthy(it) == null);
    assertThat(UnhealthyNote.of(world.budget("agent-nodes"))).isNull();
    assertThat(world.drain("node-1")).isTrue();
    assertThat(world.settle().drain("node-2")).isFalse();
    assertThat(world.hold("freeze", null).settle().condition("freeze", "Enforced"))
        .isEqualTo("True Enforced");
  }

  @Test
  void while_it_is_switched_off_a_hold_is_not_enforced_before_the_guard_is_closed_in() {
    world.targetReady("node-2", false).settle();
    world.unhealthyNodes(UnhealthyNodeEvictionPolicy.IfBudgetAllows).hold("freeze", null);

    world.refusedEvent("quota");

    assertThat(world.condition("freeze", "Enforced")).isEqualTo("False NotEnforced");
    assertThat(world.message("freeze", "Enforced")).contains("agent-unhealthy is open");
  }

  @Test
  void without_guards_there_is_no_budget_of_unhealthy_nodes() {
    world.targetReady("node-2", false).settle();
    world.spec = World.spec(Policy.Auto, new IntOrString(1), Protect.Pods);
    world.unhealthyNodes(UnhealthyNodeEvictionPolicy.IfNothingHolds).settle();

    assertThat(world.budgets).containsOnlyKeys("agent-pods");
    assertThat(world.guardPods).isEmpty();
  }

  @Test
  void while_the_target_is_away_the_unhealthy_node_stays() {
    world.targetReady("node-2", false).settle();
    world.target = null;
    world.settle();

    world.count();
    assertThat(world.evict("node-2")).isFalse();
    assertThat(UnhealthyNote.of(world.budget("agent-nodes"))).isNotNull();
  }

  @Test
  void guards_of_a_new_template_come_back_apart() {
    world.targetReady("node-2", false).settle();
    String before = name(world.guardOn("node-2"));

    world.settings = GuardSettings.of("guard:2");
    world.settle();

    assertThat(name(world.guardOn("node-2"))).isNotEqualTo(before);
    assertThat(world.companion.getStatus().unhealthyNodes()).containsExactly("node-2");
    assertThat(world.drain("node-1")).isFalse();
    assertThat(world.drain("node-2")).isTrue();
  }

  /// Somebody else's, or one that was made by hand.
  @Test
  void a_guard_without_a_node_loses_the_label() {
    world.cordon("node-2");
    assertThat(world.drain("node-2")).isTrue();
    world.settle();
    Pod waiting =
        world.guardPods.values().stream()
            .filter(it -> it.getSpec().getNodeName() == null)
            .findFirst()
            .orElseThrow();
    world.apply(new Change.SetApart(waiting, Made.UNHEALTHY, Made.APART));

    world.settle();

    assertThat(world.guardPods.values()).allMatch(it -> GuardLabels.unhealthy(it) == null);
  }

  @Test
  void a_budget_that_is_somebody_elses_is_named_and_no_guard_moves() {
    PodDisruptionBudget theirs = new PodDisruptionBudget();
    theirs.setMetadata(
        new ObjectMetaBuilder().withName("agent-unhealthy").withGeneration(1L).build());
    theirs.setSpec(
        BudgetSpecs.unused(new LabelSelectorBuilder().addToMatchLabels("app", "other").build()));
    world = new World().nodes(4).budget(theirs);
    world.settle();
    assertThat(world.condition("Guarded"))
        .as("it does not ask for one")
        .isEqualTo("True EveryNodeGuarded");

    world
        .unhealthyNodes(UnhealthyNodeEvictionPolicy.IfNothingHolds)
        .targetReady("node-2", false)
        .settle();

    assertThat(world.condition("Guarded")).isEqualTo("False NameTaken");
    assertThat(world.message("Guarded")).contains("agent-unhealthy");
    assertThat(world.guardPods.values()).allMatch(it -> GuardLabels.unhealthy(it) == null);
  }

  /// Whoever does not see every guard knows none of them to be as it should.
  @Test
  void every_node_is_read_while_a_target_pod_is_not_ready_or_a_guard_is_apart() {
    assertThat(world.snapshot().roster().complete()).isFalse();
    world.targetReady("node-2", false);
    assertThat(world.snapshot().roster().complete()).isTrue();
    world.settle().targetReady("node-2", true);
    assertThat(world.snapshot().roster().complete()).isTrue();
    world.settle();
    assertThat(world.snapshot().roster().complete()).isFalse();
  }

  /// The disruption controller may see a budget before it sees the guards that have left it.
  @Test
  void the_budget_asks_for_one_more_until_the_guard_is_counted_where_it_is_now() {
    world.countsLate = true;
    world.targetReady("node-2", false);
    world.seePods();
    for (int i = 0; i < 6; i++) {
      world.decide().changes().forEach(world::apply);
      world.countSeen();
    }
    assertThat(GuardLabels.unhealthy(world.guardOn("node-2"))).isEqualTo(Made.APART);
    assertThat(world.budget("agent-nodes").getSpec().getMinAvailable())
        .isEqualTo(new IntOrString(4));
    assertThat(world.decide().changes()).isEmpty();
    assertThat(world.decide().isMoving()).isTrue();

    world.count();
    world.decide().changes().forEach(world::apply);
    assertThat(world.budget("agent-nodes").getSpec().getMinAvailable())
        .isEqualTo(new IntOrString(3));
    assertThat(world.decide().isMoving()).isFalse();
  }

  /// It was counted before; that its budget opens again is nothing to the others.
  @Test
  void when_a_hold_ends_the_budget_asks_for_as_many_as_before_the_hold_at_once() {
    world.targetReady("node-2", false).settle();
    world.hold("freeze", null).settle();
    world.countsLate = true;
    world.holds.clear();

    world.decide().changes().forEach(world::apply);

    assertThat(world.budget("agent-nodes").getSpec().getMinAvailable())
        .isEqualTo(new IntOrString(3));
    assertThat(world.decide().changes()).isEmpty();
    assertThat(world.decide().isMoving()).isFalse();
  }

  static Stream<Integer> seeds() {
    return IntStream.range(0, HISTORIES).boxed();
  }

  /// Never are more nodes gone than may be, none goes that a Hold says it holds, and no guard is
  /// under two budgets, or under none. In the end an unhealthy node may go, and others wait.
  @ParameterizedTest
  @MethodSource("seeds")
  void whatever_two_processes_do_at_once_no_more_nodes_go_than_may(int seed) {
    Random random = new Random(seed);
    int mayGo = 1 + seed % 2;
    world = world(mayGo);
    world.countsLate = true;
    Drains drains = new Drains(world);
    BooleanSupplier cutShort = () -> random.nextInt(8) == 0;
    List<Look> processes =
        List.of(new Look(world, cutShort, (_, _) -> {}), new Look(world, cutShort, (_, _) -> {}));
    List<String> told = new ArrayList<>();
    for (int i = 0; i < 250; i++) {
      world.now = world.now.plusMillis(1);
      drains.seeGuards();
      String node = "node-" + (1 + random.nextInt(4));
      switch (random.nextInt(24)) {
        case 0 -> {
          if (random.nextInt(3) == 0 && !world.holds.containsKey("freeze")) {
            world.hold("freeze", null);
            told.add("freeze");
          } else {
            world.holds.remove("freeze");
            told.add("release all");
          }
        }
        case 1 -> {
          if (random.nextInt(4) == 0 && !world.holds.containsKey(node)) {
            world.holdNode(node, node);
            told.add("hold " + node);
          } else {
            world.holds.remove(node);
            told.add("release " + node);
          }
        }
        case 2, 3 -> {
          boolean ready = random.nextInt(3) == 0;
          world.targetReady(node, ready);
          told.add("target of " + node + (ready ? " is ready" : " is not ready"));
        }
        case 4, 5, 6 -> {
          boolean held = isEnforced("freeze") || isEnforced(node);
          drains
              .evict(node, told)
              .ifPresent(
                  out -> {
                    assertThat(held).as("%s is held; %s", node, told).isFalse();
                    assertThat(out).as("out before %s; %s", node, told).hasSizeLessThan(mayGo);
                  });
        }
        case 7 -> {
          world.uncordon(node);
          told.add("uncordon " + node);
        }
        case 8 -> {
          if (random.nextInt(4) == 0) {
            world.findGuard(node).ifPresent(it -> world.guardPods.remove(name(it)));
            told.add("kill " + node);
          }
        }
        case 9 -> {
          boolean ready = random.nextInt(3) > 0;
          world.findGuard(node).ifPresent(it -> world.ready(it, ready));
          told.add("guard of " + node + (ready ? " is ready" : " is not ready"));
        }
        case 10 -> world.controllers();
        case 11, 12 -> {
          if (random.nextBoolean()) {
            world.seePods();
          } else {
            world.countSeen();
          }
        }
        case 13 -> world.count();
        case 14 -> {
          if (random.nextInt(4) == 0) {
            boolean on = random.nextInt(3) > 0;
            world.unhealthyNodes(
                on
                    ? UnhealthyNodeEvictionPolicy.IfNothingHolds
                    : UnhealthyNodeEvictionPolicy.IfBudgetAllows);
            told.add(on ? "on" : "off");
          }
        }
        default -> processes.get(random.nextInt(2)).step(told, random.nextBoolean());
      }
      assertThat(world.guardPods.values())
          .filteredOn(it -> world.budget(it).isEmpty())
          .as("guards under no budget after %s", told)
          .isEmpty();
    }
    world.countsLate = false;
    world.holds.clear();
    world.unhealthyNodes(UnhealthyNodeEvictionPolicy.IfNothingHolds);
    world.nodes.keySet().forEach(it -> world.uncordon(it).targetReady(it, !it.equals("node-3")));
    List.copyOf(world.guardPods.values()).forEach(it -> world.ready(it, true));
    world.settle();
    assertThat(world.nodes.keySet().stream().filter(world::canBeDrained))
        .as("%s", told)
        .containsExactlyElementsOf(mayGo == 1 ? List.of("node-3") : world.nodes.keySet());

    world.targetReady("node-3", true).settle();
    assertThat(world.nodes.keySet()).as("%s", told).allMatch(world::canBeDrained);
    assertThat(world.guardPods.values()).allMatch(it -> GuardLabels.unhealthy(it) == null);
  }

  private boolean isEnforced(String hold) {
    return world.holds.containsKey(hold) && world.condition(hold, "Enforced").startsWith("True");
  }
}
