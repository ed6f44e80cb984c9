package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Companion;
import dev.chaperone.lab.controlplane.ApiCall;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// How often the pulse is asked to beat, and how often its mind is changed.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class PulseIT {
  private static final Path CRD = Path.of("src/test/resources/knative/pingsource.yaml");
  private static final String RARELY = "*/10 * * * *";
  private static final String OFTEN = "* * * * *";

  private Installation chaperone;

  @BeforeEach
  void thereIsAPulse() throws IOException {
    try (InputStream in = Files.newInputStream(CRD)) {
      client().load(in).items().forEach(it -> client().resource(it).serverSideApply());
    }
    await().until(() -> chaperone.lab().kubectl("get", "pingsources", "-A").exit() == 0);
    GenericKubernetesResource pulse = new GenericKubernetesResource();
    pulse.setApiVersion("sources.knative.dev/v1");
    pulse.setKind("PingSource");
    pulse.setMetadata(
        new io.fabric8.kubernetes.api.model.ObjectMetaBuilder()
            .withNamespace("chaperone")
            .withName("chaperone-pulse")
            .build());
    // Companions of other tests, in namespaces that are not quite gone, would be pending too.
    client().resources(Companion.class).inAnyNamespace().delete();
    pulse.setAdditionalProperty("spec", Map.of("schedule", RARELY));
    client().resource(pulse).create();
  }

  @AfterEach
  void noMore() {
    pulses().delete();
  }

  @Test
  void beats_often_while_something_turns_soon_and_rarely_again_with_one_write_each() {
    try (Scene scene = new Scene(chaperone, "pulse", 1).withCompanion("{}")) {
      await()
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.pulse();
                return scene.condition("Guarded").equals("True EveryNodeGuarded")
                    && scene.guardedNodes().size() == 1
                    && schedule().equals(RARELY);
              });
      int before = writes();

      Instant end = Instant.now().plusSeconds(6).truncatedTo(ChronoUnit.SECONDS);
      scene.hold("rebuild", end);
      chaperone.changed("Hold", scene.name, "rebuild");
      assertThat(schedule()).isEqualTo(OFTEN);
      for (int i = 0; i < 5; i++) {
        chaperone.changed("Hold", scene.name, "rebuild");
        chaperone.pulse();
      }
      assertThat(schedule()).isEqualTo(OFTEN);
      assertThat(writes()).isEqualTo(before + 1);

      await().atMost(Scene.LONG).until(() -> Instant.now().isAfter(end));
      chaperone.changed("Hold", scene.name, "rebuild");
      // One Companion does not know of the others; a pulse does.
      assertThat(schedule()).isEqualTo(OFTEN);
      for (int i = 0; i < 5; i++) {
        chaperone.pulse();
      }
      assertThat(schedule()).isEqualTo(RARELY);
      assertThat(writes()).isEqualTo(before + 2);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2})
  void tells_a_hold_that_its_companion_does_not_exist(int companions) {
    try (Scene scene = new Scene(chaperone, "stray-" + companions, 0)) {
      for (int i = 0; i < companions; i++) {
        scene.companionWithoutTarget("other-" + i);
      }
      scene.hold("rebuild");

      // The event of the Hold is lost.
      chaperone.pulse();

      assertThat(
              chaperone
                  .lab()
                  .kubectl(
                      "get",
                      "hold",
                      "rebuild",
                      "-n",
                      scene.name,
                      "-o",
                      "jsonpath={.status.conditions[?(@.type=='Active')].reason}")
                  .orFail()
                  .out())
          .isEqualTo("CompanionNotFound");
      long before = writesOfHolds();
      chaperone.pulse();
      assertThat(writesOfHolds()).isEqualTo(before);
    }
  }

  private long writesOfHolds() {
    return chaperone.writes().stream().filter(it -> it.resource().equals("holds")).count();
  }

  @Test
  void a_hold_that_ends_tomorrow_does_not_hurry() {
    try (Scene scene = new Scene(chaperone, "no-hurry", 0).withCompanion("{}")) {
      scene.awaitCounted();
      scene.hold("rebuild", Instant.now().plus(1, ChronoUnit.DAYS).truncatedTo(ChronoUnit.SECONDS));
      chaperone.changed("Hold", scene.name, "rebuild");

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
      assertThat(schedule()).isEqualTo(RARELY);
    }
  }

  private int writes() {
    List<ApiCall> writes =
        chaperone.writes().stream().filter(it -> it.resource().equals("pingsources")).toList();
    return writes.size();
  }

  private String schedule() {
    Object spec = pulses().get().getAdditionalProperties().get("spec");
    return String.valueOf(((Map<?, ?>) spec).get("schedule"));
  }

  private io.fabric8.kubernetes.client.dsl.Resource<GenericKubernetesResource> pulses() {
    return client()
        .genericKubernetesResources("sources.knative.dev/v1", "PingSource")
        .inNamespace("chaperone")
        .withName("chaperone-pulse");
  }

  private KubernetesClient client() {
    return chaperone.lab().client();
  }
}
