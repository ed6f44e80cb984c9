package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.chaperone.decide.DrainBlocked;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.QuarkusTestProfile;
import io.quarkus.test.junit.TestProfile;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// With the overlay `node-conditions`: a node whose drain waits says why.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
@TestProfile(NodeConditionIT.Marking.class)
class NodeConditionIT {
  private static final Path OVERLAY =
      Path.of(System.getProperty("chaperone.home"), "knative/overlays/node-conditions");

  private Installation chaperone;

  /// As the overlay sets it.
  public static final class Marking implements QuarkusTestProfile {
    @Override
    public Map<String, String> getConfigOverrides() {
      return Map.of("chaperone.node-conditions", "true");
    }
  }

  @BeforeEach
  void install() {
    for (String file : new String[] {"rbac.yaml", "policy.yaml"}) {
      kubectl("apply", "-f", OVERLAY.resolve(file).toString()).orFail();
    }
  }

  @Test
  void a_cordoned_node_says_why_its_drain_waits_for_as_long_as_it_does() {
    try (Scene scene = guarded("marked")) {
      cordon(scene);
      assertThat(condition(scene)).isEmpty();

      hold(scene, "rebuild");
      assertThat(condition(scene))
          .get()
          .satisfies(
              it -> {
                assertThat(it.getStatus()).isEqualTo("True");
                assertThat(it.getReason()).isEqualTo("Hold");
                assertThat(it.getMessage())
                    .startsWith(
                        "Companion marked/agent blocks the drain: Hold rebuild: a test (since ");
              });
      assertThat(kubectl("describe", "node", scene.node(1)).out())
          .contains("chaperone.dev/DrainBlocked")
          .contains("Hold rebuild: a test");

      release(scene, "rebuild");
      assertThat(condition(scene)).isEmpty();
    }
  }

  @Test
  void a_node_that_is_uncordoned_no_longer_says_that_its_drain_waits() {
    try (Scene scene = guarded("uncordoned")) {
      hold(scene, "rebuild");
      cordon(scene);
      assertThat(condition(scene)).isPresent();

      kubectl("uncordon", scene.node(1)).orFail();
      chaperone.changed("Node", "", scene.node(1));
      assertThat(condition(scene)).isEmpty();
    }
  }

  @Test
  void a_node_says_the_same_until_the_companion_that_said_it_is_gone() {
    try (Scene scene = guarded("two-say")) {
      hold(scene, "rebuild");
      cordon(scene);
      String said = condition(scene).orElseThrow().getMessage();
      scene.apply(
          """
          apiVersion: chaperone.dev/v1alpha1
          kind: Companion
          metadata: {name: other, namespace: two-say}
          spec: {targetRef: {name: target}, disruption: {policy: AlwaysHold}}
          """);
      chaperone.pulse();
      assertThat(condition(scene).map(NodeCondition::getMessage)).contains(said);

      kubectl("delete", "hold", "rebuild", "-n", scene.name).orFail();
      kubectl("delete", "companion", "agent", "-n", scene.name).orFail();
      chaperone.deleted("Companion", scene.name, "agent");
      assertThat(condition(scene)).isEmpty();
    }
  }

  @Test
  void a_node_forgets_a_companion_that_went_while_no_event_told_of_it() {
    try (Scene scene = guarded("forgotten")) {
      hold(scene, "rebuild");
      cordon(scene);
      assertThat(condition(scene)).isPresent();

      kubectl("uncordon", scene.node(1)).orFail();
      kubectl("delete", "hold", "rebuild", "-n", scene.name).orFail();
      kubectl("delete", "companion", "agent", "-n", scene.name).orFail();
      chaperone.pulse();
      assertThat(condition(scene)).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"status\": {\"conditions\": [{\"type\": \"Ready\", \"status\": \"False\"}]}}",
        "{\"status\": {\"capacity\": {\"example.com/free\": \"1000\"}}}",
        "{\"metadata\": {\"labels\": {\"team\": \"another\"}}}",
      })
  void the_functions_change_nothing_else_of_a_node(String patch) {
    try (Scene scene = new Scene(chaperone, "refused", 1);
        KubernetesClient functions = asFunctions()) {
      assertThatThrownBy(
              () ->
                  functions
                      .nodes()
                      .withName(scene.node(1))
                      .subresource("status")
                      .patch(PatchContext.of(PatchType.STRATEGIC_MERGE), patch))
          .hasMessageContaining("a Node must stay as it is");
    }
  }

  private KubernetesClient asFunctions() {
    return new KubernetesClientBuilder()
        .withConfig(
            new ConfigBuilder(chaperone.lab().client().getConfiguration())
                .withImpersonateUsername("system:serviceaccount:chaperone:functions")
                .build())
        .build();
  }

  private Scene guarded(String namespace) {
    Scene scene = new Scene(chaperone, namespace, 2).withCompanion("{}");
    scene.awaitPods("target", 2);
    scene.pulseUntilGuarded();
    return scene;
  }

  private void hold(Scene scene, String name) {
    scene.hold(name);
    changedUntil(scene, name, "False Hold");
  }

  private void release(Scene scene, String name) {
    scene.release(name);
    changedUntil(scene, name, "True NothingHolds");
  }

  private void changedUntil(Scene scene, String hold, String allowed) {
    await(allowed)
        .atMost(Scene.LONG)
        .until(
            () -> {
              chaperone.changed("Hold", scene.name, hold);
              return scene.condition("DisruptionAllowed").equals(allowed);
            });
  }

  private void cordon(Scene scene) {
    kubectl("cordon", scene.node(1)).orFail();
    chaperone.changed("Node", "", scene.node(1));
  }

  private Optional<NodeCondition> condition(Scene scene) {
    return DrainBlocked.of(chaperone.lab().client().nodes().withName(scene.node(1)).require());
  }

  private Kubectl.Result kubectl(String... arguments) {
    return chaperone.lab().kubectl(arguments);
  }
}
