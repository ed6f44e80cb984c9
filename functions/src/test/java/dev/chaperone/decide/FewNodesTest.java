package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionStatus;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What is decided without reading every node: as much as the nodes that somebody names explain.
@Execution(ExecutionMode.CONCURRENT)
class FewNodesTest {
  private static final int HISTORIES = Boolean.getBoolean("chaperone.thorough") ? 1000 : 300;

  private final World world = new World().nodes(20).settle();

  static Stream<Integer> seeds() {
    return IntStream.range(0, HISTORIES).boxed();
  }

  @Test
  void a_new_node_gets_its_guard_without_a_look_at_every_node() {
    comes("node-21");

    eventOfFew();
    assertThat(unguarded()).containsExactly("node-21");
    assertThat(GuardDeployment.replicas(world.guards)).isEqualTo(21);

    world.heard.clear();
    world.controllers();
    eventOfFew();
    assertThat(world.guardedNodes()).hasSize(21).contains("node-21");

    world.controllers();
    eventOfFew();
    assertThat(world.condition("Guarded")).isEqualTo("True EveryNodeGuarded");
    assertThat(world.companion.getStatus().guards())
        .isEqualTo(new CompanionStatus.GuardCount(21, 21, 21));
    assertThat(world.decide().isIdle()).isTrue();
    assertThat(world.snapshot().roster().nodes()).isEmpty();
    assertThat(Decision.of(world.snapshot(true)).isIdle()).isTrue();
  }

  @Test
  void of_a_new_node_that_nobody_names_only_a_look_at_every_node_knows() {
    comes("node-21");
    world.heard.clear();

    assertThat(world.snapshot().roster().complete()).isTrue();
  }

  @Test
  void a_new_node_hides_no_other_that_nobody_names() {
    comes("node-21");
    world.node("node-22").controllers();

    assertThat(world.snapshot().roster().complete()).isTrue();
  }

  @Test
  void a_new_node_hides_no_guard_that_another_has_lost() {
    comes("node-21");
    world.guardPods.remove(world.guardOn("node-1").getMetadata().getName());
    world.controllers();

    assertThat(world.snapshot().roster().complete()).isTrue();
  }

  @Test
  void the_guard_of_a_node_that_is_gone_goes_to_the_new_one() {
    comes("node-21");
    world.nodes.remove("node-1");
    world.controllers();

    eventOfFew();
    world.controllers();
    eventOfFew();

    assertThat(world.guardedNodes()).hasSize(20).contains("node-21");
    assertThat(world.condition("Guarded")).isEqualTo("True EveryNodeGuarded");
  }

  @Test
  void new_nodes_hide_no_guard_without_a_target_pod() {
    comes("node-21");
    comes("node-22");
    world.targetPods.remove("target-node-1");
    world.target().getStatus().setDesiredNumberScheduled(21);

    assertThat(world.snapshot().roster().complete()).isTrue();
  }

  /// The target's own pod names the node on which it has not started.
  @Test
  void where_the_target_does_not_start_no_event_reads_every_node() {
    world.emptyNode("node-21").node("node-21").controllers();

    eventOfFew();
    eventOfFew();

    assertThat(unguarded()).isEmpty();
    assertThat(GuardDeployment.replicas(world.guards)).isEqualTo(20);
    assertThat(world.decide().isIdle()).isTrue();
  }

  @Test
  void a_new_node_that_is_cordoned_before_it_has_a_guard_is_not_drained() {
    comes("node-21");
    world.cordon("node-21");

    eventOfFew();
    world.controllers();
    eventOfFew();

    assertThat(unguarded()).containsExactly("node-21");
    assertThat(world.companion.getStatus().drainedNodes()).isNull();
    assertThat(world.message("Guarded")).contains("cordoned before it had a guard");
  }

  @Test
  void a_node_that_is_drained_beside_a_new_one_is_drained() {
    world.drain("node-1");
    comes("node-21");

    eventOfFew();
    world.controllers();
    eventOfFew();
    world.controllers();
    eventOfFew();

    assertThat(world.companion.getStatus().drainedNodes().nodes()).containsExactly("node-1");
    assertThat(world.guardedNodes()).hasSize(20).contains("node-21");
  }

  /// It got its guard before the Deployment said for how many nodes they are.
  @Test
  void a_node_that_is_drained_just_after_a_new_one_got_its_guard_is_drained() {
    comes("node-21");
    eventOfFew();
    world.controllers();
    String before = GuardDeployment.placedFor(world.guards);
    eventOfFew();
    world
        .guards
        .getMetadata()
        .setAnnotations(new HashMap<>(world.guards.getMetadata().getAnnotations()));
    world.guards.getMetadata().getAnnotations().put(GuardDeployment.PLACED_FOR, before);
    world.controllers();

    assertThat(world.drain("node-1")).isTrue();
    world.controllers();
    eventOfFew();

    assertThat(world.companion.getStatus().drainedNodes().nodes()).containsExactly("node-1");
    assertThat(unguarded()).isEmpty();
  }

  /// Its first target pod went before it ran, and was counted, so there was no node to guard yet.
  @Test
  void a_new_node_whose_first_target_pod_never_ran_is_not_drained() {
    world.emptyNode("node-21").node("node-21").controllers();
    world.targetPods.get("target-node-21").getMetadata().setDeletionTimestamp(world.now.toString());
    world.event(false);
    world.targetPods.remove("target-node-21");
    world.mendNode("node-21").cordon("node-21").controllers();

    eventOfFew();

    assertThat(unguarded()).containsExactly("node-21");
    assertThat(world.companion.getStatus().drainedNodes()).isNull();
  }

  /// Nothing can be said in the status meanwhile, and the Deployment has not been counted anew.
  @Test
  void where_the_target_moves_to_as_many_nodes_only_a_look_at_every_node_knows_until_guards_wait() {
    World moving = new World().nodes(4);
    List.of("node-1", "node-2").forEach(it -> moving.label(it, "pool", "a"));
    List.of("node-3", "node-4").forEach(it -> moving.label(it, "pool", "b"));
    moving.target().getSpec().getTemplate().getSpec().setNodeSelector(Map.of("pool", "a"));
    CompanionStatus before = moving.settle().companion.getStatus();
    moving.target().getSpec().getTemplate().getSpec().setNodeSelector(Map.of("pool", "b"));
    moving.controllers();

    for (int events = 0; events < 2; events++) {
      moving.event(false);
      moving.companion.setStatus(before);
    }
    assertThat(moving.guardPods).isEmpty();
    assertThat(Counts.replicas(moving.guards)).isEqualTo(2);

    moving.event(false);

    assertThat(moving.condition("Guarded")).isEqualTo("False NodesUnguarded");
  }

  /// Two processes have each bound one there: that of the drained node would be counted, and let
  /// another go beside it.
  @Test
  void of_two_guards_on_a_new_node_one_goes() {
    world.drain("node-1");
    comes("node-21");
    eventOfFew();
    world.controllers();
    world.snapshot().waiting().forEach(it -> world.apply(new Change.Bind(it, "node-21")));
    world.controllers();

    world.event(false);
    world.controllers();
    eventOfFew();

    assertThat(world.guardPods.values().stream().map(Roster::nodeOf))
        .hasSize(21)
        .doesNotHaveDuplicates()
        .containsNull();
    assertThat(world.companion.getStatus().drainedNodes().nodes()).containsExactly("node-1");
  }

  /// A node that is read has left the target while another came of which nobody tells: the counts
  /// are those from before.
  @Test
  void a_guard_without_a_target_pod_is_no_guard_of_another_node() {
    world.holdNode("disk", "node-1").settle();
    assertThat(world.snapshot().roster().complete()).isFalse();
    world.node("node-21").controllers();
    world.targetPods.remove("target-node-1");
    world.target().getStatus().setDesiredNumberScheduled(20);

    assertThat(world.snapshot().roster().complete()).isTrue();
  }

  /// Who evicts it again is to find that it does not come back, as who empties the node expects.
  @Test
  void a_guard_that_is_seen_again_beside_a_taint_is_remembered() {
    world.taint("node-1", new Taint("NoSchedule", "maintenance", null, "")).controllers();
    world.guardPods.remove(world.guardOn("node-1").getMetadata().getName());
    world.controllers();
    world.event(false);
    world.controllers();
    assertThat(world.guardedNodes()).hasSize(20);
    assertThat(world.companion.getStatus().taintedNodes()).isNullOrEmpty();

    eventOfFew();
    assertThat(world.companion.getStatus().taintedNodes()).containsExactly("node-1");

    world.guardPods.remove(world.guardOn("node-1").getMetadata().getName());
    world.controllers();
    world.event(false);
    world.controllers();
    assertThat(world.guardedNodes()).hasSize(19).doesNotContain("node-1");
  }

  /// Whatever happens: as long as each event is heard, the few show what all nodes do.
  @ParameterizedTest
  @MethodSource("seeds")
  void the_few_lead_to_the_same_decision_as_every_node(int seed) {
    Random random = new Random(seed);
    World it = new World().nodes(4).settle();
    for (int i = 0; i < 20; i++) {
      String node = "node-" + random.nextInt(8);
      if (!it.nodes.containsKey(node) && random.nextBoolean()) {
        it.heard.add(node);
      }
      happen(random.nextInt(9), node, it);
      it.controllers();
      Snapshot some = it.snapshot();
      Snapshot every = it.withEveryNode(some);
      // Who has seen every node may take guards away, and then binds none.
      if (!some.roster().complete() && wanted(every) >= GuardDeployment.replicas(it.guards)) {
        assertThat(asked(some)).as("step %d: %s", i, it.state()).isEqualTo(asked(every));
      }
      it.event(false);
      if (random.nextBoolean()) {
        it.controllers();
      }
    }
  }

  private static void happen(int what, String node, World world) {
    if (!world.nodes.containsKey(node)) {
      if (what == 0) {
        world.emptyNode(node);
      }
      world.node(node);
      return;
    }
    switch (what) {
      case 0 -> world.nodes.remove(node);
      case 1 -> world.cordon(node);
      case 2, 3 -> world.uncordon(node);
      case 4 -> world.mendNode(node);
      case 5 -> world.breakNode(node);
      case 6 -> world.drain(node);
      case 7 -> world.guardPods.values().removeIf(pod -> node.equals(pod.getSpec().getNodeName()));
      default -> {}
    }
  }

  /// How many guards there are to be.
  private static int wanted(Snapshot seen) {
    return Decision.of(seen).changes().stream()
        .map(Change::object)
        .filter(Deployment.class::isInstance)
        .map(it -> GuardDeployment.replicas((Deployment) it))
        .findFirst()
        .orElse(GuardDeployment.replicas(seen.guards()));
  }

  /// What is done about guards, and said.
  private static List<String> asked(Snapshot seen) {
    Decision decision = Decision.of(seen);
    CompanionStatus status = status(seen, decision);
    return List.of(
        "replicas " + wanted(seen),
        "bound to "
            + decision.changes().stream()
                .filter(Change.Bind.class::isInstance)
                .map(it -> ((Change.Bind) it).node())
                .toList(),
        "unguarded " + status.unguardedNodes(),
        "drained " + status.drainedNodes(),
        "guards " + status.guards(),
        "blocked " + status.blockedNodes(),
        status.conditions().stream()
            .map(it -> it.getType() + " " + it.getMessage())
            .toList()
            .toString());
  }

  private static CompanionStatus status(Snapshot seen, Decision decision) {
    return decision.report(Written.NOTHING).steps().stream()
        .flatMap(List::stream)
        .filter(Change.Report.class::isInstance)
        .map(it -> ((Change.Report) it).object().getStatus())
        .findFirst()
        .orElse(seen.status());
  }

  private void comes(String node) {
    world.heard.add(node);
    world.node(node).controllers();
  }

  private void eventOfFew() {
    assertThat(world.snapshot().roster().complete()).isFalse();
    world.event(false);
  }

  private Set<String> unguarded() {
    return world.companion.getStatus().unguardedNodes().stream()
        .map(CompanionStatus.UnguardedNode::name)
        .collect(Collectors.toSet());
  }
}
