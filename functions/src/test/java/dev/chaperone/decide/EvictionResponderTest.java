package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What an Eviction of a guard is answered, and which guards name a responder.
class EvictionResponderTest {
  private static final String NOW = World.NOW.toString();

  private final World world = responding().settle();

  private static World responding() {
    World world = new World().nodes(3);
    world.respondsToEvictions = true;
    world.servesEvictions = true;
    return world;
  }

  @Test
  void an_eviction_is_answered_with_the_words_of_the_status_and_a_heartbeat() {
    world.hold("rebuild", null);
    evict("node-1");

    world.settle();

    assertThat(answer("node-1"))
        .containsExactlyInAnyOrderEntriesOf(
            Map.of(
                "name",
                "chaperone.dev/guard",
                "startTime",
                NOW,
                "heartbeatTime",
                NOW,
                "message",
                "Companion storage/agent blocks the drain of node node-1: "
                    + world.message(Decision.ALLOWED)));
    assertThat(world.message(Decision.ALLOWED)).contains("Hold rebuild: reason of rebuild");
  }

  @Test
  void a_heartbeat_comes_after_three_minutes_and_nothing_else_changes() {
    world.hold("rebuild", null);
    evict("node-1");
    world.settle();
    Map<String, Object> before = answer("node-1");

    world.now = world.now.plus(Duration.ofSeconds(179));
    assertThat(Decision.of(world.snapshot(true)).isIdle()).isTrue();
    world.now = world.now.plusSeconds(1);
    world.event(true);

    Map<String, Object> expected = new HashMap<>(before);
    expected.put("heartbeatTime", world.now.toString());
    assertThat(answer("node-1")).isEqualTo(expected);
    assertThat(Decision.of(world.snapshot(true)).isIdle()).isTrue();
  }

  @Test
  void new_words_come_at_once_and_with_the_heartbeat_that_there_was() {
    world.hold("rebuild", null);
    evict("node-1");
    world.settle();

    world.now = world.now.plusSeconds(60);
    world.hold("upgrade", null).settle();

    assertThat(answer("node-1").get("message")).asString().contains("Hold upgrade");
    assertThat(answer("node-1")).containsEntry("heartbeatTime", NOW);
  }

  @Test
  void while_an_eviction_waits_the_next_look_comes_soon() {
    world.hold("rebuild", null).settle();
    assertThat(world.decide().isPending()).isFalse();

    evict("node-1");
    assertThat(world.decide().isPending()).isTrue();

    world.holds.clear();
    world.settle();
    assertThat(answer("node-1")).containsKey("completionTime");
    assertThat(world.decide().isPending()).isFalse();
  }

  @Test
  void the_end_is_that_of_the_last_reason_and_none_where_one_has_none() {
    world.hold("rebuild", "2026-11-24T08:00:00.5Z").hold("upgrade", "2026-11-24T07:00:00Z");
    evict("node-1");
    world.settle();
    assertThat(answer("node-1")).containsEntry("expectedCompletionTime", "2026-11-24T08:00:00Z");

    world.hold("freeze", null).settle();
    assertThat(answer("node-1")).doesNotContainKey("expectedCompletionTime");
  }

  /// The API refuses it, and all that is said with it.
  @Test
  void an_end_that_is_ten_years_away_is_not_said() {
    world.hold("rebuild", "9999-01-01T00:00:00Z");
    evict("node-1");

    world.settle();

    assertThat(answer("node-1"))
        .containsKey("heartbeatTime")
        .doesNotContainKey("expectedCompletionTime");
    assertThat(answer("node-1").get("message")).asString().contains("until 9999-01-01T00:00:00Z");
  }

  @Test
  void when_nothing_blocks_any_more_the_answer_is_completed_once() {
    world.hold("rebuild", null);
    evict("node-1");
    world.settle();

    world.now = world.now.plusSeconds(90);
    world.holds.clear();
    world.settle();

    assertThat(answer("node-1"))
        .containsEntry("completionTime", world.now.toString())
        .containsEntry("heartbeatTime", NOW)
        .containsEntry(
            "message",
            "Companion storage/agent leaves the drain of node node-1 to its budget: No active"
                + " holds: at most 1 node may be disrupted at a time");
    world.hold("another", null);
    assertThat(world.decide().report(Written.NOTHING).steps().toString())
        .doesNotContain("Respond[");
  }

  /// It never ends by itself: the budget counts, and the next responder asks it.
  @Test
  void what_only_a_budget_counts_is_left_to_it() {
    world.drain("node-2");
    evict("node-1");

    world.settle();

    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("False MaxUnavailableReached");
    assertThat(answer("node-1")).containsKey("completionTime");
    assertThat(answer("node-1").get("message"))
        .asString()
        .contains("maxUnavailable (1) is used up by node node-2 (drained)");
    assertThat(world.drain("node-1")).isFalse();
  }

  @Test
  void a_node_that_is_held_by_itself_is_answered_by_itself() {
    world.holdNode("rebuild", "node-1");
    evict("node-1");
    evict("node-2");
    // Before its guard is under the other budget, which takes some looks.
    world.decide().report(Written.NOTHING).steps().forEach(it -> it.forEach(world::apply));
    assertThat(answer("node-1").get("message")).asString().contains("Hold rebuild");
    assertThat(answer("node-1")).doesNotContainKey("completionTime");

    world.settle();

    assertThat(answer("node-1")).doesNotContainKey("completionTime");
    assertThat(answer("node-2")).containsKey("completionTime");
  }

  /// A drain passes meanwhile.
  @Test
  void what_is_not_blocked_is_not_said_to_be() {
    world.hold("rebuild", null);
    evict("node-1");

    world.refusedEvent("policy says no");

    assertThat(world.canBeDrained("node-1")).isTrue();
    assertThat(answer("node-1")).doesNotContainKey("completionTime");
    assertThat(answer("node-1").get("message"))
        .asString()
        .startsWith(
            "Companion storage/agent is to block the drain of node node-1, and does not now: ")
        .contains("policy says no");
    world.settle();
    assertThat(world.canBeDrained("node-1")).isFalse();
    assertThat(answer("node-1").get("message"))
        .asString()
        .startsWith("Companion storage/agent blocks the drain of node node-1: ");
  }

  @Test
  void a_held_node_is_not_said_to_be_blocked_before_its_guard_is_under_the_closed_budget() {
    world.holdNode("rebuild", "node-1");
    evict("node-1");

    world.decide().report(Written.NOTHING).steps().forEach(it -> it.forEach(world::apply));

    assertThat(world.canBeDrained("node-1")).isTrue();
    assertThat(answer("node-1").get("message"))
        .asString()
        .startsWith("Companion storage/agent is to block the drain of node node-1");
    world.settle();
    assertThat(world.canBeDrained("node-1")).isFalse();
    assertThat(answer("node-1").get("message"))
        .asString()
        .startsWith("Companion storage/agent blocks the drain of node node-1: Hold rebuild");
  }

  @Test
  void an_eviction_of_another_pod_is_not_answered() {
    world.hold("rebuild", null);
    Pod foreign = World.guard("foreign", "");
    foreign.getMetadata().setOwnerReferences(List.of());
    foreign.getSpec().setNodeName("node-1");
    foreign.setStatus(World.running());
    world.lookAlikes.put("foreign", foreign);
    evict(foreign);
    Pod before = World.guard("guard-before", "");
    evict(before);
    Pod going = world.guardOn("node-2");
    going.getMetadata().setDeletionTimestamp(NOW);
    evict(going);

    world.event(true);

    assertThat(world.evictions.values())
        .hasSize(3)
        .allSatisfy(it -> assertThat(EvictionObjects.answer(it)).doesNotContainKey("message"));
  }

  @Test
  void a_guard_of_the_same_name_is_another() {
    world.hold("rebuild", null);
    evict("node-1");
    world.guardOn("node-1").getMetadata().setUid("uid-another");

    world.settle();

    assertThat(world.evictions.values())
        .allSatisfy(it -> assertThat(EvictionObjects.answer(it)).doesNotContainKey("message"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"Inactive", "Interrupted", "Canceled", "Completed"})
  void an_eviction_is_answered_only_when_it_is_the_responders_turn(String state) {
    world.hold("rebuild", null);
    Pod guard = world.guardOn("node-1");
    world.evictions.put("pod-1-" + guard.getMetadata().getName(), EvictionObjects.in(state, guard));

    world.settle();

    assertThat(answer("node-1")).containsOnlyKeys("name");
  }

  @Test
  void a_clock_that_is_ahead_makes_no_time_go_back() {
    world.hold("rebuild", null);
    Pod guard = world.guardOn("node-1");
    String ahead = World.NOW.plusSeconds(5).toString();
    world.evictions.put(
        "pod-1-" + guard.getMetadata().getName(), EvictionObjects.active(guard, ahead));

    world.settle();
    assertThat(answer("node-1")).containsEntry("heartbeatTime", ahead);

    world.holds.clear();
    world.settle();
    assertThat(answer("node-1")).containsEntry("completionTime", ahead);
  }

  @Test
  void a_guard_on_no_node_is_left_to_the_next_responder() {
    world.hold("rebuild", null);
    Pod waiting =
        World.guard(
            "guard-waiting",
            world.guardOn("node-1").getMetadata().getLabels().get(Made.REVISION_LABEL));
    world.guardPods.put("guard-waiting", waiting);
    evict(waiting);

    world.event(false);

    assertThat(
            EvictionObjects.answer(
                Objects.requireNonNull(world.evictions.get("pod-1-guard-waiting"))))
        .containsKey("completionTime");
  }

  @Test
  void guards_name_the_responder_where_it_is_wanted_and_evictions_are_served() {
    assertThat(responders(world))
        .isEqualTo(List.of(Map.of("name", "chaperone.dev/guard", "priority", 10000)));
    assertThat(responders(new World().nodes(1).settle())).isNull();

    World unserved = new World().nodes(1);
    unserved.respondsToEvictions = true;
    assertThat(responders(unserved.settle())).isNull();
    assertThat(unserved.decide().changes()).isEmpty();
  }

  @Test
  void an_api_server_that_no_longer_serves_evictions_replaces_no_guard() {
    world.servesEvictions = false;

    assertThat(world.decide().changes()).isEmpty();
    assertThat(responders(world)).isNotNull();
  }

  @Test
  void a_responder_that_is_taken_back_is_taken_from_the_guards() {
    world.respondsToEvictions = false;
    world.settle();

    assertThat(responders(world)).isNull();
    assertThat(world.decide().changes()).isEmpty();
  }

  @Test
  void guards_get_the_responder_one_after_the_other_and_none_while_something_holds() {
    World later = new World().nodes(3).settle().hold("rebuild", null).settle();
    List<String> guards = List.copyOf(later.guardPods.keySet());

    later.respondsToEvictions = true;
    later.servesEvictions = true;
    later.settle();
    assertThat(responders(later)).isNotNull();
    assertThat(later.guardPods.keySet()).containsExactlyElementsOf(guards);
    assertThat(later.nodes.keySet()).noneMatch(later::canBeDrained);

    later.holds.clear();
    for (int i = 0; i < 20; i++) {
      later.event(true);
      later.controllers();
      assertThat(later.guardPods.values().stream().filter(Roster::isRunning).count())
          .isGreaterThanOrEqualTo(2);
      if (later.guardPods.keySet().stream().anyMatch(guards::contains)) {
        assertThat(later.guardedNodes()).noneMatch(later::canBeDrained);
      }
    }
    assertThat(later.guardPods.keySet()).doesNotContainAnyElementsOf(guards);
    assertThat(later.guardedNodes()).hasSize(3);
  }

  private void evict(String node) {
    evict(world.guardOn(node));
  }

  private void evict(Pod pod) {
    GenericKubernetesResource eviction = EvictionObjects.active(pod, NOW);
    world.evictions.put(eviction.getMetadata().getName(), eviction);
  }

  private Map<String, Object> answer(String node) {
    String name = "pod-1-" + world.guardOn(node).getMetadata().getName();
    return EvictionObjects.answer(Objects.requireNonNull(world.evictions.get(name)));
  }

  private static @Nullable Object responders(World world) {
    Deployment guards = Objects.requireNonNull(world.guards);
    return guards
        .getSpec()
        .getTemplate()
        .getSpec()
        .getAdditionalProperties()
        .get("evictionResponders");
  }
}
