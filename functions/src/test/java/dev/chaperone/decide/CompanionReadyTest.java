package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.api.model.NodeStatusBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodStatus;
import io.fabric8.kubernetes.api.model.PodStatusBuilder;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// What nodes say of the followers' pods there.
class CompanionReadyTest {
  private static final Instant NOW = Instant.parse("2026-11-24T06:00:00Z");
  private static final CompanionRef AGENT = new CompanionRef("storage", "agent");
  private static final CompanionRef OTHER = new CompanionRef("net", "other");

  private final Node node =
      new NodeBuilder().withNewMetadata().withName("node-1").endMetadata().build();

  @Test
  void a_node_says_so_once_the_follower_is_ready_there() {
    List<Pod> target = List.of(pod("target", World.running()));

    assertThat(look(asking(AGENT, target)))
        .isEqualTo("False FollowersNotReady Companion storage/agent: no pod of the follower");
    assertThat(look(asking(AGENT, target, pod("agent-x", starting()))))
        .isEqualTo("False FollowersNotReady Companion storage/agent: pod agent-x is not ready");
    assertThat(look(asking(AGENT, target, pod("agent-x", World.running()))))
        .isEqualTo("True FollowersReady Ready here: the followers of Companions storage/agent");
    assertThat(changes(asking(AGENT, target, pod("agent-x", World.running())))).isEmpty();
  }

  @Test
  void a_pod_that_goes_is_not_ready_and_one_in_its_place_is() {
    Pod going = pod("old", World.running());
    going.getMetadata().setDeletionTimestamp("2026-11-24T05:59:00Z");
    List<Pod> target = List.of(pod("target", World.running()));

    assertThat(look(asking(AGENT, target, going))).startsWith("False");
    assertThat(look(asking(AGENT, target, going, pod("new", World.running())))).startsWith("True");
  }

  @Test
  void several_companions_are_ready_together() {
    Pod ready = pod("agent-x", World.running());

    assertThat(
            look(
                asking(AGENT, List.of(), ready),
                asking(OTHER, List.of(pod("target", World.running())))))
        .isEqualTo("False FollowersNotReady Companion net/other: no pod of the follower");
    assertThat(look(asking(AGENT, List.of(), ready), asking(OTHER, List.of(), ready)))
        .startsWith("True");
    assertThat(look(asking(AGENT, List.of(), ready), asking(OTHER, List.of())))
        .as("one that is not about the node")
        .isEqualTo("True FollowersReady Ready here: the followers of Companions storage/agent");
  }

  @Test
  void a_node_that_no_companion_is_about_says_nothing() {
    assertThat(changes(asking(AGENT, List.of()))).isEmpty();
    look(asking(AGENT, List.of(), pod("agent-x", World.running())));

    assertThat(changes(asking(AGENT, List.of())))
        .containsExactly(new Change.Unmark(node, CompanionReady.CONDITION, null));
    assertThat(changes()).hasSize(1);
  }

  @Test
  void the_time_of_the_transition_is_that_of_the_status() {
    Pod ready = pod("agent-x", World.running());
    look(asking(AGENT, List.of(), ready));
    String since = condition().getLastTransitionTime();

    look(NOW.plusSeconds(9), asking(AGENT, List.of(), ready), asking(OTHER, List.of(), ready));
    assertThat(condition().getLastTransitionTime()).isEqualTo(since);

    look(NOW.plusSeconds(9), asking(AGENT, List.of(), pod("agent-x", starting())));
    assertThat(condition().getLastTransitionTime()).isEqualTo("2026-11-24T06:00:09Z");
  }

  private static CompanionReady.Asking asking(
      CompanionRef companion, List<Pod> target, Pod... follower) {
    return CompanionReady.Asking.of(companion, target, List.of(follower));
  }

  private List<Change> changes(CompanionReady.Asking... asking) {
    return new CompanionReady(List.of(asking), List.of(node)).changes(NOW);
  }

  /// What the node says then.
  private String look(CompanionReady.Asking... asking) {
    return look(NOW, asking);
  }

  private String look(Instant now, CompanionReady.Asking... asking) {
    List<NodeCondition> conditions = new ArrayList<>();
    new CompanionReady(List.of(asking), List.of(node))
        .changes(now)
        .forEach(it -> conditions.add(((Change.Mark) it).condition()));
    if (!conditions.isEmpty()) {
      node.setStatus(new NodeStatusBuilder().withConditions(conditions).build());
    }
    return Optional.of(condition())
        .map(it -> it.getStatus() + " " + it.getReason() + " " + it.getMessage())
        .orElseThrow();
  }

  private NodeCondition condition() {
    return CompanionReady.of(node).orElseThrow();
  }

  private static PodStatus starting() {
    return new PodStatusBuilder().withPhase("Running").build();
  }

  private static Pod pod(String name, PodStatus status) {
    return new PodBuilder()
        .withNewMetadata()
        .withName(name)
        .endMetadata()
        .withNewSpec()
        .withNodeName("node-1")
        .endSpec()
        .withStatus(status)
        .build();
  }
}
