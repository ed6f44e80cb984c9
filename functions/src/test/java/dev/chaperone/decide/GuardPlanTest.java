package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodStatusBuilder;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.Toleration;
import io.fabric8.kubernetes.api.model.TolerationBuilder;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class GuardPlanTest {
  private static final Taint MAINTENANCE = new Taint("NoSchedule", "maintenance", null, "");

  private final World world = new World().nodes(3).settle();

  @Test
  void every_node_that_runs_a_target_pod_gets_one_guard() {
    assertThat(world.guardedNodes()).containsExactlyInAnyOrder("node-1", "node-2", "node-3");
    assertThat(world.guardPods).hasSize(3);
  }

  @Test
  void a_drained_nodes_guard_waits_and_is_bound_again_after_uncordon() {
    assertThat(world.drain("node-1")).isTrue();
    world.settle();
    assertThat(world.guardedNodes()).containsExactlyInAnyOrder("node-2", "node-3");
    assertThat(world.guardPods).hasSize(3);

    world.uncordon("node-1").settle();
    assertThat(world.guardedNodes()).contains("node-1");
  }

  @Test
  void a_drained_node_keeps_the_others_waiting() {
    assertThat(world.drain("node-1")).isTrue();
    world.settle();
    assertThat(world.drain("node-2")).isFalse();
  }

  @Test
  void a_deleted_nodes_guard_goes_without_a_running_one_going_with_it() {
    world.nodes.remove("node-2");
    world.target().getStatus().setDesiredNumberScheduled(2);

    List<Change> changes = world.decide().changes();

    assertThat(changes)
        .filteredOn(Change.Delete.class::isInstance)
        .singleElement()
        .satisfies(
            change ->
                assertThat(world.guardPods.get(change.object().getMetadata().getName()))
                    .satisfies(pod -> assertThat(pod.getSpec().getNodeName()).isEqualTo("node-2")));
    // Three run, none waits: shrinking now could take any of them.
    assertThat(changes).noneMatch(Change.Replace.class::isInstance);

    world.settle();
    assertThat(world.guardPods).hasSize(2);
    assertThat(world.guardedNodes()).containsExactlyInAnyOrder("node-1", "node-3");
  }

  @Test
  void a_taint_that_the_target_does_not_tolerate_takes_no_guard_away() {
    world.taint("node-1", MAINTENANCE).taint("node-2", MAINTENANCE);
    world.controllers();
    assertThat(world.target().getStatus().getDesiredNumberScheduled()).isEqualTo(1);

    world.settle();

    assertThat(world.guardedNodes()).hasSize(3);
  }

  @Test
  void a_guard_does_not_return_to_a_node_that_is_being_emptied_by_a_taint() {
    for (String key : Taints.DRAINING) {
      World tainted = new World().nodes(3);
      tainted
          .target()
          .getSpec()
          .getTemplate()
          .getSpec()
          .setTolerations(List.of(new TolerationBuilder().withOperator("Exists").build()));
      tainted.settle().taint("node-1", new Taint("NoSchedule", key, null, ""));
      tainted.guardPods.values().removeIf(pod -> "node-1".equals(pod.getSpec().getNodeName()));

      tainted.settle();

      assertThat(tainted.guardedNodes()).as(key).containsExactlyInAnyOrder("node-2", "node-3");
    }
  }

  @Test
  void a_label_moved_from_one_node_to_another_moves_the_guard_at_the_next_pulse() {
    World labelled = new World().nodes(3);
    label(labelled, "node-1");
    label(labelled, "node-2");
    labelled.target().getSpec().getTemplate().getSpec().setNodeSelector(Map.of("storage", "yes"));
    labelled.settle();
    assertThat(labelled.guardedNodes()).containsExactlyInAnyOrder("node-1", "node-2");

    labelled.nodes.get("node-2").getMetadata().setLabels(Map.of());
    label(labelled, "node-3");
    labelled.settle();

    assertThat(labelled.guardedNodes()).containsExactlyInAnyOrder("node-1", "node-3");
  }

  @Test
  void guards_follow_a_target_that_moves_to_as_many_other_nodes_without_a_pulse() {
    World moving = new World().nodes(4);
    moving.nodes.forEach(
        (name, node) ->
            node.getMetadata().setLabels(Map.of("pool", name.compareTo("node-3") < 0 ? "a" : "b")));
    moving.target().getSpec().getTemplate().getSpec().setNodeSelector(Map.of("pool", "a"));
    moving.settle();
    assertThat(moving.guardedNodes()).containsExactlyInAnyOrder("node-1", "node-2");

    moving.target().getSpec().getTemplate().getSpec().setNodeSelector(Map.of("pool", "b"));
    for (int i = 0; i < 6; i++) {
      moving.controllers();
      moving.event(false);
    }

    assertThat(moving.guardedNodes()).containsExactlyInAnyOrder("node-3", "node-4");
  }

  @Test
  void a_rollout_of_the_target_frees_no_guard() {
    world.targetPods.remove("target-node-1");

    assertThat(Decision.of(world.snapshot(true)).changes()).isEmpty();
  }

  @Test
  void guards_that_were_resumed_keep_the_budget_closed_until_kubernetes_has_looked_at_them() {
    world.settings = GuardSettings.of("guard:2");
    world.event(false);
    world.controllers();
    assertThat(world.event(false).verdict().reason()).isEqualTo(Reason.GuardsUpdating);
    Deployment resumed = Optional.ofNullable(world.guards).orElseThrow();
    assertThat(resumed.getSpec().getPaused()).isNull();

    // As it counted before they were resumed, and before their template changed.
    resumed.getMetadata().setGeneration(3L);
    resumed.getStatus().setObservedGeneration(2L);
    resumed.getStatus().setUpdatedReplicas(3);

    assertThat(world.decide().verdict().reason()).isEqualTo(Reason.GuardsUpdating);
  }

  @Test
  void a_target_that_is_replaced_together_with_its_guards_takes_none_of_them_away() {
    world.settings = GuardSettings.of("guard:2");
    world.event(false);
    world.controllers();
    world.event(false);
    world.controllers();
    assertThat(world.guardPods.values().stream().map(Roster::revision).distinct()).hasSize(2);
    String out =
        world.nodes.keySet().stream()
            .filter(node -> !world.guardedNodes().contains(node))
            .findFirst()
            .orElseThrow();
    Pod target = Optional.ofNullable(world.targetPods.get("target-" + out)).orElseThrow();

    target.getStatus().setPhase("Pending");
    assertThat(replicas(world.decide())).doesNotContain(2);
    world.targetPods.remove("target-" + out);
    assertThat(replicas(world.decide())).doesNotContain(2);

    // The waiting one has no node to come back to.
    world.nodes.remove(out);
    world.target().getStatus().setDesiredNumberScheduled(2);
    assertThat(replicas(world.decide())).containsOnly(2);
  }

  @Test
  void guards_that_are_seen_to_wait_while_their_replica_set_shrinks_are_not_counted_twice() {
    // The Deployment has its new number, and its ReplicaSet has not looked.
    for (String name : List.of("guard-over-1", "guard-over-2")) {
      world.guardPods.put(name, World.guard(name, ""));
    }
    world.targetPods.remove("target-node-1");
    world.target().getStatus().setDesiredNumberScheduled(2);

    assertThat(replicas(Decision.of(world.snapshot(true)))).noneMatch(it -> it < 3);
  }

  @Test
  void a_rollout_of_the_target_does_not_lower_how_many_guards_there_are() {
    assertThat(world.drain("node-1")).isTrue();
    world.settle();
    Pod replaced = Optional.ofNullable(world.targetPods.get("target-node-1")).orElseThrow();

    world.targetPods.remove("target-node-1");
    assertThat(replicas(world.decide())).isEmpty();

    replaced.getStatus().setPhase("Pending");
    replaced.getMetadata().setCreationTimestamp(World.NOW.minusSeconds(20).toString());
    world.targetPods.put("target-node-1", replaced);
    assertThat(replicas(world.decide())).isEmpty();

    // Pods outlive their node for a minute.
    replaced.getSpec().setNodeName("no-node");
    world.target().getStatus().setDesiredNumberScheduled(2);
    world.nodes.remove("node-1");
    assertThat(replicas(Decision.of(world.snapshot(true)))).containsOnly(2);
    world.node("node-1");
    world.target().getStatus().setDesiredNumberScheduled(3);
    replaced.getSpec().setNodeName("node-1");

    // It never starts: what does not run there needs no guard.
    replaced.getMetadata().setCreationTimestamp(World.NOW.minusSeconds(600).toString());
    assertThat(replicas(Decision.of(world.snapshot(true)))).containsOnly(2);
  }

  @Test
  void a_node_whose_kubelet_ends_the_target_pod_and_its_guard_is_out_until_it_is_back() {
    Pod evicted = Optional.ofNullable(world.targetPods.get("target-node-1")).orElseThrow();
    evicted.getStatus().setPhase("Failed");
    evicted.getMetadata().setCreationTimestamp(World.NOW.minusSeconds(20).toString());
    world.guardPods.values().removeIf(it -> "node-1".equals(it.getSpec().getNodeName()));
    world.controllers();

    assertThat(replicas(Decision.of(world.snapshot(true)))).isEmpty();

    // It stays so: what does not run there needs no guard.
    evicted.getMetadata().setCreationTimestamp(World.NOW.minusSeconds(600).toString());
    assertThat(replicas(Decision.of(world.snapshot(true)))).containsOnly(2);
  }

  @Test
  void a_node_that_shuts_down_is_out_until_it_is_back() {
    world.shutDown("node-1");
    world.settle();

    assertThat(world.drain("node-2")).isFalse();
    assertThat(world.uncordon("node-2").settle().drain("node-3")).isFalse();
    assertThat(world.message(Decision.ALLOWED)).contains("node-1 (no running target pod)");

    world.nodes.get("node-1").getSpec().setTaints(List.of());
    world.uncordon("node-3").settle();
    assertThat(world.guardedNodes()).containsExactlyInAnyOrder("node-1", "node-2", "node-3");
    assertThat(world.guardPods).hasSize(3);
    assertThat(world.drain("node-2")).isTrue();
  }

  @Test
  void a_node_that_shuts_down_is_out_while_guards_are_replaced() {
    world.guardOn("node-2").getMetadata().getLabels().put(Made.REVISION_LABEL, "old");
    world.shutDown("node-1");

    assertThat(replicas(Decision.of(world.snapshot(true)))).doesNotContain(2);
  }

  /// The DaemonSet controller may not have counted the node again yet.
  @Test
  void a_node_that_has_just_come_back_is_out_until_its_target_pod_runs() {
    world.shutDown("node-1");
    world.settle();
    world.nodes.get("node-1").getSpec().setTaints(List.of());

    assertThat(replicas(Decision.of(world.snapshot(false)))).isEmpty();
    assertThat(replicas(Decision.of(world.snapshot(true)))).isEmpty();
  }

  @Test
  void a_node_that_shut_down_and_is_deleted_is_not_waited_for() {
    world.shutDown("node-1");
    world.settle();
    world.nodes.remove("node-1");
    world.settle();

    assertThat(world.guardPods).hasSize(2);
    assertThat(world.drain("node-2")).isTrue();
  }

  @Test
  void pods_with_some_labels_of_guards_are_told_by_no_event_or_pulse() {
    world.lookAlikes.put("foreign", World.guard("foreign", ""));

    assertThat(Decision.of(world.snapshot(true)).report(written(world)).steps()).isEmpty();
    assertThat(world.decide().report(written(world)).steps()).isEmpty();
  }

  @Test
  void a_guard_that_has_just_ended_is_seen_before_anything_has_counted_it() {
    world.hold("rebuild", null).settle();
    world.guardPods.values().stream()
        .filter(pod -> "node-1".equals(pod.getSpec().getNodeName()))
        .forEach(pod -> pod.getStatus().setPhase("Failed"));

    assertThat(condition(world.decide(), "Guarded")).contains("GuardRefused").contains("node-1");
  }

  @Test
  void a_target_pod_on_its_way_to_its_node_frees_no_guard() {
    Pod replaced = Optional.ofNullable(world.targetPods.get("target-node-2")).orElseThrow();
    replaced.getSpec().setNodeName(null);

    assertThat(Decision.of(world.snapshot(true)).changes()).isEmpty();
  }

  @Test
  void a_target_pod_that_leaves_one_node_does_not_stand_for_another_that_is_replaced() {
    world.target().getStatus().setDesiredNumberScheduled(2);
    world.targetPods.remove("target-node-2");
    Optional.ofNullable(world.targetPods.get("target-node-3"))
        .orElseThrow()
        .getMetadata()
        .setDeletionTimestamp("2026-11-24T06:00:00Z");

    assertThat(Decision.of(world.snapshot(true)).changes())
        .noneMatch(Change.Delete.class::isInstance);
  }

  @Test
  void a_refused_guard_is_bound_again_only_by_a_pulse() {
    world.guardPods.values().stream()
        .filter(pod -> "node-1".equals(pod.getSpec().getNodeName()))
        .forEach(
            pod ->
                pod.setStatus(
                    new PodStatusBuilder().withPhase("Failed").withReason("OutOfpods").build()));
    GuardPlanTest.addWaiting(world);

    Decision event = world.decide();
    assertThat(event.changes()).isEmpty();
    assertThat(condition(event, "Guarded")).contains("GuardRefused").contains("node-1");

    assertThat(Decision.of(world.snapshot(true)).changes())
        .hasAtLeastOneElementOfType(Change.Delete.class)
        .hasAtLeastOneElementOfType(Change.Bind.class);
  }

  @Test
  void guards_tolerate_what_evicts_and_never_what_drains() {
    world
        .target()
        .getSpec()
        .getTemplate()
        .getSpec()
        .setTolerations(
            List.of(
                toleration("dedicated", "Exists", "NoSchedule"),
                toleration("gpu", "Exists", null),
                toleration("node.kubernetes.io/unschedulable", "Exists", null),
                toleration("karpenter.sh/disrupted", "Exists", null),
                toleration(null, "Exists", null)));

    assertThat(Taints.guardTolerations(world.target()))
        .containsExactly(
            toleration("node.kubernetes.io/not-ready", "Exists", "NoExecute"),
            toleration("node.kubernetes.io/unreachable", "Exists", "NoExecute"),
            toleration("node.kubernetes.io/disk-pressure", "Exists", "NoSchedule"),
            toleration("node.kubernetes.io/memory-pressure", "Exists", "NoSchedule"),
            toleration("node.kubernetes.io/pid-pressure", "Exists", "NoSchedule"),
            toleration("gpu", "Exists", "NoExecute"),
            toleration(null, "Exists", "NoExecute"));
  }

  @Test
  void a_deployment_of_somebody_else_is_left_alone() {
    Optional.ofNullable(world.guards)
        .orElseThrow()
        .setMetadata(new ObjectMetaBuilder().withName("agent-guards").build());

    Decision decision = world.decide();

    assertThat(decision.changes()).isEmpty();
    assertThat(condition(decision, "Guarded")).contains("NameTaken");
  }

  @Test
  void nothing_is_guarded_when_nodes_are_not_protected() {
    world.spec = World.spec(Policy.Auto, new IntOrString(1), Protect.Pods);

    world.settle();

    assertThat(world.guards).isNull();
    assertThat(world.budgets).containsOnlyKeys("agent-pods");
  }

  private static String condition(Decision decision, String type) {
    return decision.report(Written.NOTHING).steps().stream()
        .flatMap(List::stream)
        .filter(Change.Report.class::isInstance)
        .map(change -> ((Change.Report) change).object().getStatus())
        .flatMap(status -> Optional.ofNullable(status.conditions()).orElseThrow().stream())
        .filter(condition -> condition.getType().equals(type))
        .map(condition -> condition.getReason() + ": " + condition.getMessage())
        .findFirst()
        .orElse("");
  }

  private static Written written(World world) {
    return new Written(List.copyOf(world.budgets.values()), List.of());
  }

  /// Of the guards' Deployment, if it is written.
  private static Stream<Integer> replicas(Decision decision) {
    return decision.changes().stream()
        .filter(Change.Replace.class::isInstance)
        .map(Change::object)
        .filter(Deployment.class::isInstance)
        .map(it -> GuardDeployment.replicas((Deployment) it));
  }

  private static void addWaiting(World world) {
    world.guardPods.put("guard-new", World.guard("guard-new", "new"));
  }

  private static void label(World world, String node) {
    world.nodes.get(node).getMetadata().setLabels(Map.of("storage", "yes"));
  }

  private static Toleration toleration(
      @Nullable String key, String operator, @Nullable String effect) {
    return new TolerationBuilder().withKey(key).withOperator(operator).withEffect(effect).build();
  }
}
