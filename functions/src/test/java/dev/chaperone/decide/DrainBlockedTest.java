package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.api.model.NodeConditionBuilder;
import io.fabric8.kubernetes.api.model.NodeStatusBuilder;
import org.junit.jupiter.api.Test;

class DrainBlockedTest {
  private static final CompanionRef OTHER = new CompanionRef("storage", "agent-2");

  private final World world = blocked();

  private static World blocked() {
    World world = new World().nodes(2);
    world.marksNodes = true;
    return world.settle().cordon("node-1").hold("rebuild", null).settle();
  }

  @Test
  void a_node_is_marked_with_the_words_of_the_companion() {
    assertThat(condition())
        .satisfies(
            it -> {
              assertThat(it.getStatus()).isEqualTo("True");
              assertThat(it.getReason()).isEqualTo("Hold");
              assertThat(it.getMessage())
                  .isEqualTo(
                      "Companion storage/agent blocks the drain: "
                          + world.message(Decision.ALLOWED));
            });
  }

  @Test
  void a_node_is_not_told_that_another_one_is_unguarded() {
    world.breakNode("node-3").node("node-3").settle();

    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("Unknown NotEnforced");
    assertThat(condition().getReason()).isEqualTo("Hold");
    assertThat(condition().getMessage())
        .isEqualTo(
            "Companion storage/agent blocks the drain: Hold rebuild: reason of rebuild (since"
                + " 2026-11-24T05:00:00Z, until it is deleted)");
  }

  @Test
  void a_node_is_marked_while_guards_outlive_their_target() {
    world.holds.clear();
    world.settle();
    assertThat(world.markedNodes()).isEmpty();

    world.target = null;
    world.controllers();
    world.event(false);

    assertThat(condition().getReason()).isEqualTo("TargetNotFound");
    assertThat(condition().getMessage())
        .isEqualTo("Companion storage/agent blocks the drain: " + world.message(Decision.ALLOWED));
    assertThat(world.drain("node-1")).isFalse();

    world.now = world.now.plus(Roster.TARGET_GRACE);
    world.event(true);
    world.controllers();
    world.event(true);
    assertThat(world.markedNodes()).isEmpty();
  }

  @Test
  void new_words_keep_the_time_since_when_the_drain_is_blocked() {
    String since = condition().getLastTransitionTime();
    world.now = world.now.plusSeconds(60);
    world.hold("another", null).settle();

    assertThat(condition().getMessage()).contains("Hold another");
    assertThat(condition().getLastTransitionTime()).isEqualTo(since);
  }

  @Test
  void the_mark_of_another_companion_stays_as_it_is() {
    String words = "Companion storage/agent-2 blocks the drain: its own reasons";
    world
        .nodes
        .get("node-1")
        .setStatus(
            new NodeStatusBuilder()
                .withConditions(
                    new NodeConditionBuilder()
                        .withType(DrainBlocked.CONDITION)
                        .withStatus("True")
                        .withMessage(words)
                        .build())
                .build());
    world.settle();
    assertThat(condition().getMessage()).isEqualTo(words);

    world.holds.clear();
    world.settle();
    assertThat(condition().getMessage()).isEqualTo(words);
    assertThat(DrainBlocked.withoutCompanions(World.REF::equals, world.nodes.values())).isEmpty();
    assertThat(DrainBlocked.withoutCompanions(OTHER::equals, world.nodes.values()))
        .singleElement()
        .isInstanceOf(Change.Unmark.class);
  }

  @Test
  void without_the_setting_no_node_is_marked() {
    World unmarked = new World().nodes(2).settle();
    unmarked.cordon("node-1").hold("rebuild", null).settle();

    assertThat(unmarked.companion.getStatus().blockedNodes()).containsExactly("node-1");
    assertThat(unmarked.markedNodes()).isEmpty();
  }

  private NodeCondition condition() {
    return DrainBlocked.of(world.nodes.get("node-1")).orElseThrow();
  }
}
