package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Companion;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.LostRace;
import dev.chaperone.cluster.Room;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Decision;
import dev.chaperone.decide.KnownFacts;
import dev.chaperone.decide.Made;
import dev.chaperone.decide.Occasion;
import dev.chaperone.decide.Snapshot;
import dev.chaperone.decide.Survey;
import dev.chaperone.decide.Written;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Whether a look at everything at once sees of each Companion what a look at it alone does.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class SurveyIT {
  private static final Deadline LATER = Deadline.in(Duration.ofMinutes(10));

  private Installation chaperone;

  @Inject ClusterReader reader;

  @Test
  void a_survey_leads_to_the_decision_that_a_look_at_one_companion_does() {
    List<Consumer<Scene>> states =
        List.of(
            _ -> {},
            scene -> scene.hold("rebuild"),
            scene -> scene.companion("{policy: AlwaysHold}"),
            scene -> scene.companion("{protect: [Pods], maxUnavailable: 50%}"),
            scene -> scene.companion("{protect: [Nodes], holdWhen: [{name: x, expression: y}]}"),
            scene ->
                scene.companion(
                    "{observe: [{as: me, apiVersion: chaperone.dev/v1alpha1, resource: holds, name: none}],"
                        + " holdWhen: [{name: x, expression: \"me.spec.reason == 'x'\"}]}"),
            scene -> delete(scene, "daemonset", "target"),
            scene -> delete(scene, "daemonset", "follower"),
            scene -> delete(scene, "deployment", "agent-guards"),
            scene -> delete(scene, "poddisruptionbudget", "agent-nodes"),
            scene -> scene.deleteNode(1),
            scene -> scene.addNode(3),
            scene -> chaperone.lab().kubectl("cordon", scene.node(2)).orFail());
    List<Scene> scenes =
        states.stream()
            .map(
                state -> {
                  Scene scene = new Scene(chaperone, "survey-" + states.indexOf(state), 2);
                  return scene.withCompanion("{}");
                })
            .toList();
    try {
      scenes.forEach(Scene::pulseUntilGuarded);
      for (int i = 0; i < states.size(); i++) {
        states.get(i).accept(scenes.get(i));
      }

      // What was done has to come to rest in the cluster's own controllers.
      await()
          .atMost(Scene.LONG)
          .pollInterval(Scene.HALF_A_SECOND)
          .untilAsserted(() -> assertSame(scenes));

      chaperone.pulse();
      chaperone.pulse();
      await()
          .atMost(Scene.LONG)
          .pollInterval(Scene.HALF_A_SECOND)
          .untilAsserted(() -> assertSame(scenes));
    } finally {
      scenes.forEach(Scene::close);
    }
  }

  @ParameterizedTest
  @CsvSource({"20, 20", "3, 1"})
  void the_first_event_of_many_new_companions_begins_all_of_them(int companions, int begun) {
    try (Scene scene = new Scene(chaperone, "survey-new-" + companions, 0)) {
      for (int i = 0; i < companions; i++) {
        scene.companionWithoutTarget("new-" + i);
      }

      assertThat(chaperone.changed("Companion", scene.name, "new-0").statusCode()).isEqualTo(200);

      assertThat(
              chaperone
                  .lab()
                  .client()
                  .resources(Companion.class)
                  .inNamespace(scene.name)
                  .list()
                  .getItems())
          .filteredOn(it -> it.getStatus() != null)
          .hasSize(begun);
    }
  }

  private void assertSame(List<Scene> scenes) throws LostRace {
    Instant now = Instant.now();
    Survey survey = reader.survey(scenes.size(), now, LATER);
    for (Scene scene : scenes) {
      CompanionRef ref = new CompanionRef(scene.name, "agent");
      KnownFacts known = reader.knownFacts(ref, now, LATER).orElseThrow();
      Snapshot alone = slim(reader.read(known, Occasion.PULSE, new Room(1).place(), LATER));
      Snapshot amongAll = survey.of(ref, true, Written.NOTHING).orElseThrow();

      assertThat(asked(amongAll)).as(scene.name).isEqualTo(asked(alone));
      if (!Decision.of(amongAll).needsEveryNode()) {
        assertThat(asked(slim(reader.read(known, Occasion.CHANGE, new Room(1).place(), LATER))))
            .as(scene.name + ", the cordoned nodes only")
            .isEqualTo(asked(alone));
      }
    }
  }

  /// Without what a survey does not keep: who wrote which field, but for others' of the spec of a
  /// Deployment.
  private static Snapshot slim(Snapshot seen) {
    Stream.of(seen.budgets(), seen.holds(), List.of(seen.companion()))
        .flatMap(List::stream)
        .forEach(it -> it.getMetadata().setManagedFields(List.of()));
    Optional.ofNullable(seen.guards())
        .map(HasMetadata::getMetadata)
        .ifPresent(
            it ->
                it.setManagedFields(
                    it.getManagedFields().stream()
                        .filter(entry -> !Made.FIELD_MANAGER.equals(entry.getManager()))
                        .filter(entry -> entry.getSubresource() == null)
                        .toList()));
    return seen;
  }

  private static List<String> asked(Snapshot seen) {
    Decision decision = Decision.of(seen);
    return List.of(
        decision.steps(true).toString(),
        decision.report(Written.NOTHING).steps().toString(),
        decision.report(Written.NOTHING).answer().toString(),
        String.valueOf(decision.isPending()));
  }

  private void delete(Scene scene, String kind, String name) {
    chaperone.lab().kubectl("delete", kind, name, "-n", scene.name).orFail();
  }
}
