package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import io.fabric8.kubernetes.api.model.IntOrString;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// One failure domain at a time: nodes 1 to 3 are of zone a, 4 and 5 of zone b, 6 of none.
class DomainsTest {
  private static final String ZONE = "topology.kubernetes.io/zone";

  private final World world = new World().nodes(6);

  private World zones(IntOrString maxUnavailable) {
    world.spec = World.spec(Policy.Auto, maxUnavailable, Protect.Nodes);
    return world
        .domains(
            ZONE, Map.of("node-1", "a", "node-2", "a", "node-3", "a", "node-4", "b", "node-5", "b"))
        .settle();
  }

  @Test
  void while_a_node_of_one_zone_is_out_no_node_of_another_goes() {
    zones(new IntOrString(2));

    assertThat(world.drain("node-1")).isTrue();
    assertThat(world.drain("node-4")).as("before anybody has looked").isFalse();
    assertThat(world.drain("node-2")).as("before anybody has looked").isFalse();
    world.settle();

    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True OneDomainAtATime");
    assertThat(world.message(Decision.ALLOWED)).contains("node node-1 of " + ZONE + " a is out");
    assertThat(world.drain("node-4")).isFalse();
    assertThat(world.drain("node-6")).isFalse();
    assertThat(world.drain("node-2")).as("two of one zone may").isTrue();
    world.settle();
    assertThat(world.drain("node-3")).isFalse();
    world.settle();
    assertThat(world.companion.getStatus().blockedNodes())
        .containsExactlyInAnyOrder("node-3", "node-4", "node-6");
  }

  @Test
  void when_its_nodes_are_back_another_zone_may_go() {
    zones(new IntOrString(2));
    world.drain("node-1");
    world.settle();
    world.uncordon("node-1").settle();

    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True NothingHolds");
    assertThat(world.guardPods.values()).allMatch(it -> GuardLabels.heldFor(it) == null);
    assertThat(world.drain("node-4")).isTrue();
    world.settle();
    assertThat(world.drain("node-1")).isFalse();
    assertThat(world.drain("node-5")).isTrue();
  }

  @Test
  void while_nodes_of_two_zones_are_out_none_goes() {
    zones(new IntOrString(3));
    world.drain("node-1");
    world.settle();
    world.guardPods.remove(world.guardOn("node-4").getMetadata().getName());
    world.cordon("node-4").settle();

    world.nodes.keySet().stream()
        .filter(node -> world.guardedNodes().contains(node))
        .forEach(node -> assertThat(world.drain(node)).as(node).isFalse());
  }

  @Test
  void a_node_that_shuts_down_is_out_as_one_that_is_drained() {
    zones(new IntOrString(2));
    world.shutDown("node-1");
    assertThat(world.drain("node-4")).as("before anybody has looked").isFalse();
    world.settle();

    assertThat(world.message(Decision.ALLOWED)).contains("node node-1 of " + ZONE + " a is out");
    assertThat(world.drain("node-4")).isFalse();
    assertThat(world.drain("node-2")).as("two of one zone may").isTrue();
    world.settle();
    assertThat(world.drain("node-3")).isFalse();
  }

  @Test
  void a_percentage_is_of_the_nodes_of_the_zone() {
    zones(new IntOrString("50%"));

    assertThat(world.drain("node-1")).isTrue();
    world.settle();
    assertThat(world.drain("node-2")).as("2 of 3").isTrue();
    world.settle();
    assertThat(world.drain("node-3")).isFalse();
  }

  @Test
  void a_zone_that_goes_while_another_waits_lets_that_go() {
    zones(new IntOrString(1));
    world.drain("node-1");
    world.settle();
    assertThat(world.drain("node-4")).isFalse();

    world.nodes.remove("node-1");
    world.nodes.remove("node-2");
    world.nodes.remove("node-3");
    world.settle();

    assertThat(world.drain("node-4")).isTrue();
  }

  @Test
  void of_a_large_zone_so_many_guards_move_at_a_time_as_one_look_can_write() {
    World large = new World().nodes(HeldNodes.MAX_MOVES + 10);
    large.spec = World.spec(Policy.Auto, new IntOrString(2), Protect.Nodes);
    large.domains(ZONE, Map.of("node-1", "a", "node-2", "a")).settle();
    large.drain("node-1");
    // The budgets first.
    Decision.of(large.snapshot()).changes().forEach(large::apply);

    assertThat(moves(large)).isEqualTo(HeldNodes.MAX_MOVES);
    Decision.of(large.snapshot()).changes().forEach(large::apply);
    large.count();
    assertThat(large.evict("node-2")).as("before all of the other zone have moved").isFalse();
    assertThat(moves(large)).isEqualTo(8);

    large.settle();
    assertThat(moves(large)).isZero();
    assertThat(large.evict("node-2")).isTrue();
  }

  private static long moves(World world) {
    return Decision.of(world.snapshot()).changes().stream()
        .filter(Change.SetApart.class::isInstance)
        .count();
  }

  @Test
  void a_hold_of_one_node_holds_it_in_the_zone_that_goes() {
    zones(new IntOrString(2));
    world.holdNode("rebuild", "node-2").settle();

    assertThat(world.drain("node-1")).isTrue();
    world.settle();
    assertThat(world.drain("node-2")).isFalse();
    assertThat(world.drain("node-3")).isTrue();
    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("True Enforced");
  }
}
