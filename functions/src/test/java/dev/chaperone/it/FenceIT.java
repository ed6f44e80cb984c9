package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.chaperone.cluster.ClusterWriter;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.LostRace;
import dev.chaperone.decide.Change;
import io.fabric8.kubernetes.api.model.ObjectMeta;
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
  @Inject ClusterWriter writer;

  private Installation chaperone;

  @Test
  void a_budget_that_another_run_has_just_made_closed_is_not_opened() throws LostRace {
    try (Scene scene = new Scene(chaperone, "fence", 0)) {
      write(budget(scene, null, 0));

      assertThatThrownBy(() -> write(budget(scene, null, 1))).isInstanceOf(LostRace.class);

      assertThat(allowed(scene)).isZero();
    }
  }

  @Test
  void a_budget_that_another_run_has_closed_meanwhile_is_not_opened() throws LostRace {
    try (Scene scene = new Scene(chaperone, "fence-changed", 0)) {
      write(budget(scene, null, 1));
      String seen = scene.budget("agent-nodes").getMetadata().getResourceVersion();
      close(scene);

      assertThatThrownBy(() -> write(budget(scene, seen, 1))).isInstanceOf(LostRace.class);

      assertThat(allowed(scene)).isZero();
    }
  }

  @Test
  void a_budget_with_another_version_and_the_same_spec_is_written() throws LostRace {
    try (Scene scene = new Scene(chaperone, "fence-same", 0)) {
      write(budget(scene, null, 1));
      ObjectMeta seen = scene.budget("agent-nodes").getMetadata();
      chaperone
          .lab()
          .kubectl("annotate", "pdb", "agent-nodes", "-n", scene.name, "counted=again")
          .orFail();
      PodDisruptionBudget budget = budget(scene, seen.getResourceVersion(), 0);
      budget.getMetadata().setUid(seen.getUid());
      budget.getMetadata().setGeneration(seen.getGeneration());

      write(budget);

      assertThat(allowed(scene)).isZero();
    }
  }

  /// As another run would: again, when Kubernetes has counted in between.
  private void close(Scene scene) {
    await()
        .atMost(Scene.LONG)
        .ignoreExceptionsMatching(LostRace.class::isInstance)
        .untilAsserted(
            () ->
                write(
                    budget(
                        scene, scene.budget("agent-nodes").getMetadata().getResourceVersion(), 0)));
  }

  private void write(PodDisruptionBudget budget) throws LostRace {
    assertThat(writer.write(List.of(new Change.Apply(budget)), Deadline.in(Duration.ofSeconds(30))))
        .isEmpty();
  }

  private static PodDisruptionBudget budget(Scene scene, String version, int maxUnavailable) {
    return new PodDisruptionBudgetBuilder()
        .withNewMetadata()
        .withNamespace(scene.name)
        .withName("agent-nodes")
        .withResourceVersion(version)
        .endMetadata()
        .withNewSpec()
        .withNewMaxUnavailable(maxUnavailable)
        .withNewSelector()
        .withMatchLabels(Map.of("app", "agent"))
        .endSelector()
        .endSpec()
        .build();
  }

  private static int allowed(Scene scene) {
    return scene.budget("agent-nodes").getSpec().getMaxUnavailable().getIntVal();
  }
}
