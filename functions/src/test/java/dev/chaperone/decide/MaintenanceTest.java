package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionStatus.NodeMaintenance;
import dev.chaperone.api.CompanionStatus.NodeMaintenance.Phase;
import io.fabric8.kubernetes.api.model.NodeConditionBuilder;
import io.fabric8.kubernetes.api.model.NodeStatus;
import io.fabric8.kubernetes.api.model.Taint;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MaintenanceTest {
  private final World world = new World().nodes(3);
  private final List<String> told = new ArrayList<>();

  MaintenanceTest() {
    told(new CompanionSpec.Maintenance(List.of("example.com/patch-due")));
    world.settle();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "condition MaintenancePlanned True    | Planned | condition MaintenancePlanned (AdminRequested: a new kernel)",
        "condition MaintenancePlanned False   |         |",
        "condition MaintenanceInProgress True | Started | condition MaintenanceInProgress (AdminRequested: a new kernel)",
        "condition DrainInProgress True       | Started | condition DrainInProgress (AdminRequested: a new kernel)",
        "condition Drained True               | Started | condition Drained (AdminRequested: a new kernel)",
        "condition Ready True                 |         |",
        "taint example.com/patch-due          | Planned | taint example.com/patch-due",
        "taint node.cluster.x-k8s.io/outdated-revision | Planned | taint node.cluster.x-k8s.io/outdated-revision",
        "taint karpenter.sh/disrupted         | Started | taint karpenter.sh/disrupted",
        "taint example.com/other              |         |",
        "cordon                               | Started | the node is cordoned",
      })
  void what_others_write_on_a_node_is_told(String mark, Phase phase, String message) {
    mark("node-2", mark);

    look(true);

    if (phase == null) {
      assertThat(said()).isEmpty();
      assertThat(told).isEmpty();
    } else {
      assertThat(said())
          .containsExactly(
              new NodeMaintenance("node-2", phase, message, world.now.toString(), true));
      assertThat(told).singleElement().asString().startsWith(phase + " node-2 ").endsWith(message);
    }
  }

  @Test
  void each_phase_is_told_once() {
    mark("node-2", "condition MaintenancePlanned True");
    look(true);
    look(true);
    world.cordon("node-2");
    look(false);
    look(true);
    world.nodes.get("node-2").getSpec().setUnschedulable(null);
    look(true);
    world.nodes.get("node-2").setStatus(new NodeStatus());
    look(true);
    look(true);

    assertThat(told)
        .extracting(it -> it.replaceFirst(" Node.*", ""))
        .containsExactly("Planned node-2", "Started node-2", "Planned node-2", "Ended node-2");
    assertThat(said()).isEmpty();
  }

  /// An event has one reply, and the write of the status brings the next.
  @Test
  void what_turns_together_is_told_one_after_the_other() {
    for (String node : world.nodes.keySet()) {
      mark(node, "condition MaintenancePlanned True");
    }

    look(true);
    assertThat(told).hasSize(1);
    assertThat(said()).hasSize(3);
    assertThat(world.decide().isPending()).isTrue();
    look(false);
    look(false);
    look(false);

    assertThat(told)
        .extracting(it -> it.replaceFirst(" Node.*", ""))
        .containsExactly("Planned node-1", "Planned node-2", "Planned node-3");
    assertThat(world.decide().isPending()).isFalse();
  }

  @Test
  void what_was_said_of_nodes_that_were_not_read_stays() {
    mark("node-2", "condition MaintenancePlanned True");
    look(true);
    world.nodes.get("node-2").setStatus(new NodeStatus());

    look(false);

    assertThat(said()).hasSize(1);
    look(true);
    assertThat(told).last().asString().startsWith("Ended node-2");
  }

  @Test
  void a_node_that_is_gone_is_no_longer_maintained() {
    mark("node-2", "taint example.com/patch-due");
    look(true);
    world.nodes.remove("node-2");

    look(true);

    assertThat(told)
        .last()
        .asString()
        .isEqualTo("Ended node-2 Node node-2: maintenance has ended: the node is gone");
  }

  @Test
  void nodes_without_the_target_do_not_matter() {
    world.targetPods.values().removeIf(pod -> "node-2".equals(Roster.nodeOf(pod)));
    mark("node-2", "cordon");

    look(true);

    assertThat(said()).isEmpty();
  }

  @Test
  void who_does_not_ask_is_not_told() {
    told(null);
    mark("node-2", "condition MaintenancePlanned True");

    look(true);

    assertThat(told).isEmpty();
    assertThat(world.companion.getStatus().maintenance()).isNull();
  }

  @ParameterizedTest
  @CsvSource({"true, 2, a b gone", "true, 3, a b gone", "true, 1, gone", "false, 3, gone"})
  void few_nodes_that_change_are_looked_at_by_who_asks(boolean asks, int more, String nodes) {
    told(asks ? new CompanionSpec.Maintenance(List.of()) : null);
    world.snapshot();
    Occasion both =
        new Occasion(false, Set.of("gone"), Set.of(), Set.of())
            .and(new Occasion(false, Set.of(), Set.of("a", "b"), Set.of()));

    assertThat(both.nodesFor(world.known(), 1 + more))
        .containsExactlyInAnyOrder(nodes.split(" ", -1));
    assertThat(Occasion.CHANGE.nodesFor(world.holdNode("rebuild", "held").known(), 1))
        .containsExactly("held");
  }

  /// A cluster of which every node is maintained does not break the status.
  @Test
  void the_status_has_at_most_100_nodes() {
    World large = new World().nodes(130);
    large.spec = world.spec;
    large.settle();
    large.nodes.keySet().forEach(large::cordon);

    for (int event = 0; event < 140; event++) {
      large.event(true);
    }

    assertThat(large.companion.getStatus().maintenance()).hasSize(100);
  }

  private void told(CompanionSpec.@Nullable Maintenance maintenance) {
    world.spec =
        new CompanionSpec(
            world.spec.targetRef(),
            world.spec.followerRef(),
            world.spec.disruption(),
            List.of(),
            maintenance);
  }

  private void look(boolean pulse) {
    Decision decision = world.event(pulse);
    world
        .report(decision)
        .maintenance()
        .ifPresent(it -> told.add("%s %s %s".formatted(it.phase(), it.node(), it.message())));
  }

  private List<NodeMaintenance> said() {
    return Optional.ofNullable(world.companion.getStatus().maintenance()).orElse(List.of());
  }

  private void mark(String node, String mark) {
    String[] words = mark.trim().split(" ", -1);
    switch (words[0]) {
      case "cordon" -> world.cordon(node);
      case "taint" -> world.taint(node, new Taint("NoSchedule", words[1], null, ""));
      default -> {
        NodeStatus status = new NodeStatus();
        status.setConditions(
            List.of(
                new NodeConditionBuilder()
                    .withType(words[1])
                    .withStatus(words[2])
                    .withReason("AdminRequested")
                    .withMessage("a new kernel")
                    .build()));
        Objects.requireNonNull(world.nodes.get(node)).setStatus(status);
      }
    }
  }
}
