package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Observed;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class NodesInEventTest {
  private final World world = new World().nodes(3).settle();

  @Test
  void a_node_concerns_whose_guard_or_target_pod_is_there() {
    assertThat(concerns("node-1", world.guardOn("node-1"))).isTrue();
    assertThat(concerns("node-4", ofDaemonSet("storage", "node"))).isTrue();
  }

  @Test
  void a_node_does_not_concern_who_has_nothing_there() {
    assertThat(concerns("node-1")).isFalse();
    assertThat(concerns("node-4", ofDaemonSet("elsewhere", "node"))).isFalse();
    assertThat(concerns("node-4", ofDaemonSet("storage", "another"))).isFalse();
    Pod ofAnother =
        new PodBuilder(world.guardOn("node-1"))
            .editMetadata()
            .addToLabels(Made.COMPANION_LABEL, "another")
            .endMetadata()
            .build();
    assertThat(concerns("node-1", ofAnother)).isFalse();
  }

  /// Nothing has to be left on a node of which the status has something to say.
  @Test
  void a_node_concerns_whose_status_names_it() {
    world.drain("node-1");
    world.settle();
    assertThat(concerns("node-1")).isTrue();

    world.hold("rebuild", null).cordon("node-2").settle();
    assertThat(world.companion.getStatus().blockedNodes()).containsExactly("node-2");
    assertThat(concerns("node-2")).isTrue();

    world.holdNode("disk", "node-9").settle();
    assertThat(concerns("node-9")).isTrue();

    world.breakNode("node-5").node("node-5").settle();
    assertThat(concerns("node-5")).isTrue();
    assertThat(concerns("node-3")).isFalse();
  }

  @Test
  void a_node_concerns_who_observes_it() {
    world.observes(
        new Observed("first", "v1", "nodes", CompanionSpec.Scope.Cluster, null, "node-7"));

    assertThat(concerns("node-7")).isTrue();
    assertThat(concerns("node-8")).isFalse();
  }

  private boolean concerns(String node, Pod... pods) {
    world.companion.setSpec(world.spec);
    return new NodesInEvent(Set.of(node), List.of(pods)).concerns(world.companion);
  }

  private static Pod ofDaemonSet(String namespace, String name) {
    return new PodBuilder()
        .withNewMetadata()
        .withNamespace(namespace)
        .withName("any")
        .addNewOwnerReference()
        .withKind("DaemonSet")
        .withName(name)
        .endOwnerReference()
        .endMetadata()
        .build();
  }
}
