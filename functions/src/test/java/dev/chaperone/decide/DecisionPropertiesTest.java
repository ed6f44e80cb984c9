package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus.DrainedNodes;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Taint;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What holds for every history, not only for the ones we thought of. A failing seed is in the
/// test's name.
@Execution(ExecutionMode.CONCURRENT)
class DecisionPropertiesTest {
  private static final int HISTORIES = Boolean.getBoolean("chaperone.thorough") ? 1000 : 300;

  static Stream<Integer> seeds() {
    return IntStream.range(0, HISTORIES).boxed();
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void with_its_changes_applied_the_next_decision_changes_nothing(int seed) {
    World world = history(new Random(seed), new World().nodes(4), 12);

    world.settle();

    Decision again = Decision.of(world.snapshot());
    assertThat(again.changes()).isEmpty();
    assertThat(world.report(again).steps()).isEmpty();
    assertThat(world.report(again).answerChanged()).isFalse();
  }

  /// The same things happen to two worlds. One hears of each at once, twice; the other loses every
  /// event and gets a pulse at the end. All nodes are uncordoned by then: whether a cordoned node
  /// has a guard is its history.
  @ParameterizedTest
  @MethodSource("seeds")
  void lost_and_doubled_events_end_in_the_same_state(int seed) {
    Random random = new Random(seed);
    List<Step> steps = random.ints(12).mapToObj(i -> step(new Random(i))).toList();
    World heard = new World().nodes(4);
    World missed = new World().nodes(4);

    for (Step step : steps) {
      step.happen(heard);
      heard.controllers();
      heard.event(false);
      heard.event(false);
      heard.controllers();
      step.happen(missed);
      missed.controllers();
    }

    heard.nodes.keySet().forEach(heard::uncordon);
    missed.nodes.keySet().forEach(missed::uncordon);
    assertThat(heard.settle().state()).isEqualTo(missed.settle().state());
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void while_held_no_drain_gets_through_and_no_running_guard_goes(int seed) {
    Random random = new Random(seed);
    World world = history(random, new World().nodes(4), 6);
    world.holds.clear();
    world.settle().hold("freeze", null).settle();

    for (int i = 0; i < 12; i++) {
      List<String> guarded = List.copyOf(world.guardedNodes());
      quietStep(random).happen(world);
      world.controllers();
      world.event(random.nextBoolean());
      world.controllers();
      List<String> drained = new ArrayList<>(guarded);
      drained.removeAll(world.guardedNodes());
      // Only a node that is gone, or no longer runs a target pod, may have lost its guard.
      assertThat(drained)
          .noneMatch(
              node ->
                  world.nodes.containsKey(node) && world.targetPods.containsKey("target-" + node));
      for (String node : world.nodes.keySet()) {
        if (world.guardedNodes().contains(node)) {
          assertThat(world.drain(node)).as(node).isFalse();
        }
      }
    }
  }

  /// As a resync writes what its survey has decided, and a look what it took long to read: after
  /// other things have happened, of which events told, and only where the API server would take it.
  @ParameterizedTest
  @MethodSource("seeds")
  void what_comes_late_lets_no_drain_through_that_a_hold_blocks_meanwhile(int seed) {
    Random random = new Random(seed);
    World world = history(random, new World().nodes(4), 8);
    Decision surveyed = Decision.of(world.snapshot(true));
    List<Change> late = surveyed.lateSteps().stream().flatMap(List::stream).toList();
    // Where something opens, no Hold is told so before.
    assertThat(surveyed.mayComeLate() ? List.of() : late)
        .noneMatch(Change.ReportHold.class::isInstance);
    quietStep(random).happen(world);
    world.controllers();
    world.event(random.nextBoolean());
    quietStep(random).happen(world);
    world.hold("freeze", null);
    world.controllers();
    world.event(random.nextBoolean());
    world.controllers();
    List<String> blocked =
        world.nodes.keySet().stream()
            .filter(node -> world.guardedNodes().contains(node) && !world.canBeDrained(node))
            .toList();

    late.stream().filter(world::takes).forEach(world::apply);
    world.controllers();

    assertThat(blocked).noneMatch(world::canBeDrained);
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void while_held_every_eviction_of_a_guard_is_told_why_and_none_goes_on(int seed) {
    Random random = new Random(seed);
    World world = new World().nodes(4);
    world.respondsToEvictions = true;
    world.servesEvictions = true;
    history(random, world, 6).holds.clear();
    world.settle().hold("freeze", null).settle();

    for (int i = 0; i < 12; i++) {
      quietStep(random).happen(world);
      world.controllers();
      List<Pod> asked =
          world.guardPods.values().stream()
              .filter(it -> it.getSpec().getNodeName() != null)
              .toList();
      for (Pod guard : asked) {
        world.evictions.putIfAbsent(
            "pod-1-" + guard.getMetadata().getName(),
            EvictionObjects.active(guard, World.NOW.toString()));
      }
      world.event(random.nextBoolean());
      assertThat(world.evictions.values())
          .hasSizeGreaterThanOrEqualTo(asked.size())
          .allSatisfy(
              it ->
                  assertThat(EvictionObjects.answer(it))
                      .containsKeys("message", "heartbeatTime")
                      .doesNotContainKey("completionTime"));
    }
  }

  /// The worst that a status can say is "held" where a drain passes.
  @ParameterizedTest
  @MethodSource("seeds")
  void what_is_said_to_be_blocked_cannot_be_drained(int seed) {
    Random random = new Random(seed);
    World world = new World().nodes(4);
    for (int i = 0; i < 16; i++) {
      String node = "node-" + random.nextInt(6);
      switch (random.nextInt(9)) {
        case 6 -> world.holdNode("of-" + node, node);
        case 7 -> world.holds.remove("of-" + node);
        case 8 -> {
          List<String> budgets = List.copyOf(world.budgets.keySet());
          if (!budgets.isEmpty()) {
            world.budgets.remove(budgets.get(random.nextInt(budgets.size())));
          }
          world.refusedEvent("exceeded quota");
        }
        case 0 -> world.breakNode(node);
        case 1 -> world.mendNode(node);
        case 2 -> world.emptyNode(node);
        case 3 -> {
          if (world.nodes.containsKey(node)) {
            world.drain(node);
          }
        }
        default -> step(random).happen(world);
      }
      world.controllers();
      if (random.nextInt(4) == 0) {
        world.refusedEvent("exceeded quota");
      } else {
        world.event(random.nextInt(4) == 0);
      }
      assertThat(world.holds.values())
          .as("step %d: %s; %s", i, world.message(Decision.ALLOWED), world.state())
          .filteredOn(it -> it.getSpec().nodeName() != null)
          .filteredOn(
              it -> world.condition(it.getMetadata().getName(), "Enforced").startsWith("True"))
          .map(it -> Objects.requireNonNull(it.getSpec().nodeName()))
          .noneMatch(world::canBeDrained);
      if (world.condition(Decision.ALLOWED).startsWith("False")
          || world.holds.values().stream()
              .filter(it -> it.getSpec().nodeName() == null)
              .anyMatch(
                  it ->
                      world.condition(it.getMetadata().getName(), "Enforced").startsWith("True"))) {
        DrainedNodes drained = world.companion.getStatus().drainedNodes();
        assertThat(world.nodes.keySet())
            .as("step %d: %s; %s", i, world.message(Decision.ALLOWED), world.state())
            .filteredOn(it -> drained == null || !drained.nodes().contains(it))
            .noneMatch(world::canBeDrained);
      }
      assertThat(world.companion.getStatus().blockedNodes())
          .as("step %d: %s; %s", i, world.message(Decision.ALLOWED), world.state())
          .noneMatch(world::canBeDrained);
      List<String> unprotected = world.companion.getStatus().unprotectedGuards();
      if (unprotected != null) {
        assertThat(world.guardPods.values())
            .as("step %d: %s; %s", i, world.message(Decision.ALLOWED), world.state())
            .filteredOn(it -> !unprotected.contains(it.getMetadata().getName()))
            .map(it -> it.getSpec().getNodeName())
            .filteredOn(Objects::nonNull)
            .noneMatch(world::canBeDrained);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void a_node_is_marked_exactly_while_its_drain_is_said_to_be_blocked(int seed) {
    World world = new World().nodes(4);
    world.marksNodes = true;
    history(new Random(seed), world, 12).settle();

    assertThat(world.markedNodes())
        .isEqualTo(Set.copyOf(world.companion.getStatus().blockedNodes()));
  }

  /// Something that happens to a cluster.
  interface Step {
    void happen(World world);
  }

  private static World history(Random random, World world, int length) {
    for (int i = 0; i < length; i++) {
      step(random).happen(world);
      if (random.nextBoolean()) {
        world.controllers();
      }
      if (random.nextBoolean()) {
        world.event(random.nextInt(4) == 0);
      }
    }
    return world;
  }

  private static Step step(Random random) {
    int number = random.nextInt(6);
    String node = "node-" + number;
    return switch (random.nextInt(5)) {
      case 0 -> world -> world.hold("hold-" + number % 2, null);
      case 1 -> world -> world.holds.remove("hold-" + number % 2);
      case 2 ->
          world ->
              world.spec =
                  World.spec(
                      world.spec.disruption().policy(),
                      number == 0 ? new IntOrString("40%") : new IntOrString(number),
                      world.spec.disruption().protect().toArray(Protect[]::new));
      case 3 ->
          world ->
              world
                  .target()
                  .getSpec()
                  .getTemplate()
                  .getSpec()
                  .setNodeSelector(number < 3 ? Map.of() : Map.of("pool", "p" + number % 2));
      default -> {
        Step quiet = quietStep(random);
        yield world -> {
          if (world.nodes.containsKey(node)) {
            quiet.happen(world);
          } else {
            world.node(node);
          }
        };
      }
    };
  }

  /// What may happen to nodes while a Hold holds.
  private static Step quietStep(Random random) {
    String node = "node-" + random.nextInt(6);
    int what = random.nextInt(6);
    return world -> {
      if (!world.nodes.containsKey(node)) {
        world.node(node);
        return;
      }
      switch (what) {
        case 0 -> world.nodes.remove(node);
        case 1 -> world.cordon(node);
        case 2 -> world.uncordon(node);
        case 3 -> world.taint(node, new Taint("NoSchedule", "maintenance", null, ""));
        default -> world.nodes.get(node).getMetadata().setLabels(Map.of("pool", "p" + what % 2));
      }
    };
  }
}
