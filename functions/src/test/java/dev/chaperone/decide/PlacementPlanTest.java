package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.TargetRef;
import dev.chaperone.api.CompanionStatus.PlacementWrites;
import io.fabric8.kubernetes.api.model.FieldsV1;
import io.fabric8.kubernetes.api.model.ManagedFieldsEntryBuilder;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.TolerationBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlacementPlanTest {
  private final World world = new World().nodes(3);

  @Test
  void the_follower_gets_exactly_the_placement_of_the_target() {
    selector(world.target(), Map.of("disk", "ssd"));
    world
        .target()
        .getSpec()
        .getTemplate()
        .getSpec()
        .setTolerations(List.of(new TolerationBuilder().withOperator("Exists").build()));

    world.settle();

    assertThat(Placement.of(world.follower())).isEqualTo(Placement.of(world.target()));
    assertThat(finding().reason()).isEqualTo(Reason.FollowsTarget);
  }

  @Test
  void what_another_client_once_wrote_is_taken_out_of_the_way() {
    selector(world.follower(), Map.of("zone", "a"));
    owner("kubectl-client-side-apply", "Update");

    assertThat(PlacementPlan.of(world.snapshot()).changes())
        .singleElement()
        .isInstanceOfSatisfying(
            Change.Place.class,
            place ->
                assertThat(place.inTheWay()).containsExactly("/spec/template/spec/nodeSelector"));
  }

  @Test
  void what_chaperone_alone_wrote_goes_by_server_side_apply() {
    selector(world.follower(), Map.of("zone", "a"));
    owner("chaperone", "Apply");

    assertThat(PlacementPlan.of(world.snapshot()).changes())
        .singleElement()
        .isInstanceOfSatisfying(
            Change.Place.class, place -> assertThat(place.inTheWay()).isEmpty());
  }

  @Test
  void a_placement_that_another_applies_is_not_fought_over() {
    world.applyFollowersNodeSelector("argocd", Map.of("zone", "a"));

    assertThat(finding().reason()).isEqualTo(Reason.PlacementConflict);
    assertThat(finding().message()).contains("argocd");
    assertThat(PlacementPlan.of(world.snapshot()).changes()).isEmpty();
  }

  /// A look may end between the try and the write, or after it.
  @ParameterizedTest
  @CsvSource({"true, 3", "false, 1"})
  void what_a_run_tried_to_write_counts_once_it_is_so(boolean written, int count) {
    selector(world.target(), Map.of("zone", "b"));
    selector(world.follower(), Map.of("zone", written ? "b" : "a"));
    String id = Drift.hash(Placement.of(world.target()));
    world.placed = new PlacementWrites(id, 3, world.now.toString());

    assertThat(PlacementPlan.of(world.snapshot()).writes())
        .isEqualTo(new PlacementWrites(id, count, world.now.toString()));
  }

  @Test
  void what_the_api_server_refuses_was_not_written() {
    selector(world.target(), Map.of("zone", "b"));

    for (int event = 0; event < 5; event++) {
      world.refusedEvent("policy says no");

      assertThat(world.condition("Placed")).isEqualTo("False Refused");
    }
    assertThat(world.companion.getStatus().placementWrites()).isNull();
  }

  @Test
  void a_companion_that_is_its_own_target_is_told_so() {
    world.spec =
        new CompanionSpec(
            new TargetRef("agent", "storage"), world.spec.followerRef(), world.spec.disruption());

    assertThat(finding().reason()).isEqualTo(Reason.FollowerIsTarget);
    assertThat(PlacementPlan.of(world.snapshot()).changes()).isEmpty();
  }

  @Test
  void a_missing_follower_is_told_of_and_nodes_are_guarded_all_the_same() {
    world.follower = null;

    world.settle();

    assertThat(finding().reason()).isEqualTo(Reason.FollowerNotFound);
    assertThat(world.guardedNodes()).hasSize(3);
  }

  @Test
  void of_two_companions_for_one_follower_the_older_one_has_it() {
    Companion rival = new Companion();
    rival.setMetadata(
        new ObjectMetaBuilder()
            .withName("rival")
            .withCreationTimestamp("2026-10-01T00:00:00Z")
            .build());
    world.rivals.add(rival);
    selector(world.target(), Map.of("disk", "ssd"));

    assertThat(finding().reason()).isEqualTo(Reason.FollowerTaken);
    assertThat(finding().message()).contains("older Companion rival");
    assertThat(world.decide().changes())
        .extracting(change -> change.object().getMetadata().getName())
        .containsExactlyInAnyOrder("agent-nodes", "agent-guards");

    rival.getMetadata().setCreationTimestamp("2026-12-01T00:00:00Z");
    assertThat(finding().reason()).isEqualTo(Reason.FollowsTarget);
  }

  private Finding finding() {
    return PlacementPlan.of(world.snapshot()).finding();
  }

  private void owner(String manager, String operation) {
    FieldsV1 fields = new FieldsV1();
    fields.setAdditionalProperty(
        "f:spec", Map.of("f:template", Map.of("f:spec", Map.of("f:nodeSelector", Map.of()))));
    world
        .follower()
        .getMetadata()
        .setManagedFields(
            List.of(
                new ManagedFieldsEntryBuilder()
                    .withManager(manager)
                    .withOperation(operation)
                    .withFieldsV1(fields)
                    .build()));
  }

  private static void selector(DaemonSet daemonSet, Map<String, String> selector) {
    daemonSet.getSpec().getTemplate().getSpec().setNodeSelector(selector);
  }
}
