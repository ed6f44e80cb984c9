package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chaperone.api.Companion;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.ClusterWriter;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.LostRace;
import dev.chaperone.decide.Change;
import dev.chaperone.decide.Made;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// What was decided on an older state of a budget is not written over a newer one.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class FenceIT {
  @Inject ClusterReader reader;
  @Inject ClusterWriter writer;

  private Installation chaperone;

  @Test
  void a_budget_that_another_run_has_just_made_closed_is_not_opened() throws LostRace {
    try (Scene scene = owned("fence")) {
      write(new Change.Create(closed(scene, "a")));

      assertThatThrownBy(() -> write(new Change.Create(open(scene)))).isInstanceOf(LostRace.class);

      assertThat(isClosed(scene)).isTrue();
    }
  }

  @Test
  void a_budget_that_another_run_has_closed_meanwhile_is_not_opened() throws LostRace {
    try (Scene scene = owned("fence-changed")) {
      write(new Change.Create(open(scene)));
      PodDisruptionBudget seen = scene.budget("agent-nodes");
      write(new Change.Replace(closed(scene, "a"), scene.budget("agent-nodes")));

      assertThatThrownBy(() -> write(new Change.Replace(open(scene), seen)))
          .isInstanceOf(LostRace.class);

      assertThat(isClosed(scene)).isTrue();
    }
  }

  /// Another run found it closed already, and closed it for one more reason.
  @Test
  void a_budget_that_is_closed_for_another_reason_meanwhile_is_not_opened() throws LostRace {
    try (Scene scene = owned("fence-reason")) {
      write(new Change.Create(closed(scene, "a")));
      PodDisruptionBudget seen = scene.budget("agent-nodes");
      write(new Change.Replace(closed(scene, "b"), scene.budget("agent-nodes")));

      assertThatThrownBy(() -> write(new Change.Replace(open(scene), seen)))
          .isInstanceOf(LostRace.class);

      assertThat(isClosed(scene)).isTrue();
    }
  }

  @Test
  void a_budget_with_another_version_and_the_same_spec_is_written() throws LostRace {
    try (Scene scene = owned("fence-same")) {
      write(new Change.Create(open(scene)));
      PodDisruptionBudget seen = scene.budget("agent-nodes");
      chaperone
          .lab()
          .kubectl("annotate", "pdb", "agent-nodes", "-n", scene.name, "counted=again")
          .orFail();

      write(new Change.Replace(closed(scene, "a"), seen));

      assertThat(isClosed(scene)).isTrue();
      assertThat(scene.budget("agent-nodes").getMetadata().getAnnotations())
          .containsEntry("counted", "again");
    }
  }

  @Test
  void what_was_seen_of_a_companion_counts_until_somebody_changes_it_or_its_status()
      throws LostRace {
    try (Scene scene = owned("fence-companion")) {
      Companion seen = scene.companion();
      reader.requireUnchanged(seen);

      scene.companion("{policy: AlwaysHold}");
      assertThatThrownBy(() -> reader.requireUnchanged(seen)).isInstanceOf(LostRace.class);

      Companion before = scene.companion();
      chaperone.changed("Companion", scene.name, "agent");
      assertThatThrownBy(() -> reader.requireUnchanged(before)).isInstanceOf(LostRace.class);
    }
  }

  /// Somebody turned one form of a budget into the other, which no merge can take back.
  @Test
  void a_budget_is_written_whole_whoever_set_what_in_it() throws LostRace {
    try (Scene scene = owned("fence-whole")) {
      write(new Change.Create(open(scene)));
      chaperone
          .lab()
          .kubectl(
              "patch",
              "pdb",
              "agent-nodes",
              "-n",
              scene.name,
              "--type=merge",
              "-p",
              "{\"spec\": {\"minAvailable\": null, \"maxUnavailable\": 2}}")
          .orFail();

      write(new Change.Replace(closed(scene, "a"), scene.budget("agent-nodes")));
      assertThat(isClosed(scene)).isTrue();

      write(new Change.Replace(open(scene), scene.budget("agent-nodes")));
      assertThat(scene.budget("agent-nodes").getSpec().getMaxUnavailable()).isNull();
      assertThat(scene.budget("agent-nodes").getMetadata().getAnnotations())
          .doesNotContainKey(Made.CLOSED_FOR);
    }
  }

  /// As a run does: again, when Kubernetes has counted in between.
  private void write(Change change) throws LostRace {
    assertThat(writer.write(List.of(change), Deadline.in(Duration.ofSeconds(30))).refused())
        .isEmpty();
  }

  /// With a Companion: the functions may write no budget that is not owned by one.
  private Scene owned(String name) {
    Scene scene = new Scene(chaperone, name, 0);
    scene.companion("{}");
    return scene;
  }

  private static PodDisruptionBudget open(Scene scene) {
    return budget(scene).editSpec().withNewMinAvailable(1).endSpec().build();
  }

  private static PodDisruptionBudget closed(Scene scene, String reason) {
    return budget(scene)
        .editMetadata()
        .addToAnnotations(Made.CLOSED_FOR, reason)
        .endMetadata()
        .editSpec()
        .withNewMinAvailable(Integer.MAX_VALUE)
        .endSpec()
        .build();
  }

  private static PodDisruptionBudgetBuilder budget(Scene scene) {
    return new PodDisruptionBudgetBuilder()
        .withNewMetadata()
        .withNamespace(scene.name)
        .withName("agent-nodes")
        .addNewOwnerReference()
        .withApiVersion("chaperone.dev/v1alpha1")
        .withKind("Companion")
        .withName("agent")
        .withUid(scene.companion().getMetadata().getUid())
        .withController(true)
        .endOwnerReference()
        .endMetadata()
        .withNewSpec()
        .withNewSelector()
        .withMatchLabels(Map.of("app", "agent"))
        .endSelector()
        .endSpec();
  }

  private static boolean isClosed(Scene scene) {
    return BudgetHistory.isClosed(scene.budget("agent-nodes").getSpec());
  }
}
