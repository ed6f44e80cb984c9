package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.chaperone.decide.Evictions;
import dev.chaperone.lab.controlplane.ApiCall;
import dev.chaperone.lab.knative.ApiServerSource;
import dev.chaperone.lab.programs.Binaries;
import dev.chaperone.lab.programs.Binaries.Module;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.TestProfile;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;

/// With the overlay `eviction-responder`, on an API server that serves Evictions: EvictionRequests
/// for guards, whose state machine that API server checks, and whose controllers are
/// [EvictionController].
@QuarkusTest
@TestProfile(EvictionResponderIT.Responding.class)
@EnabledIf("isKnown")
class EvictionResponderIT {
  private static final Path OVERLAY =
      Path.of(System.getProperty("chaperone.home"), "knative/overlays/eviction-responder");
  private static final int FIRST_WITH_EVICTIONS = 37;

  /// As if the responder had been silent for too long.
  private static final String INTERRUPTED =
      """
      {"status": {
        "targetResponders": [
          {"name": "chaperone.dev/guard", "priority": 10000, "state": "Interrupted"},
          {"name": "imperative-eviction.k8s.io/evictor", "priority": 100, "state": "Inactive"}]}}
      """;

  private Installation chaperone;

  /// As the overlay sets it, where the cluster has what is off by default.
  public static final class Responding implements OnItsOwnLab {
    @Override
    public Map<String, String> getConfigOverrides() {
      return Map.of("chaperone.eviction-responder", "true");
    }

    @Override
    public Map<String, String> lab() {
      return Map.of("gates", "EvictionRequestAPI", "apis", "lifecycle.k8s.io/v1alpha1");
    }
  }

  static boolean isKnown() {
    String version = new Binaries().pin(Module.CONTROLPLANE).version();
    return Integer.parseInt(version.split("\\.", -1)[1]) >= FIRST_WITH_EVICTIONS;
  }

  @BeforeEach
  void install() {
    for (String file : List.of("rbac.yaml", "policy.yaml")) {
      kubectl("apply", "-f", OVERLAY.resolve(file).toString()).orFail();
    }
  }

  /// The overlay's own source.
  private ApiServerSource evictions() {
    return ApiServerSource.start(
        chaperone.lab(), chaperone.functions(), OVERLAY.resolve("events.yaml"));
  }

  @Test
  void an_eviction_waits_with_the_words_of_a_hold_and_goes_by_the_budget() {
    try (ApiServerSource _ = chaperone.startSources();
        ApiServerSource _ = evictions();
        Scene scene = guarded("evictions")) {
      EvictionController controller = controller(scene);
      Instant end = Instant.now().plus(2, ChronoUnit.HOURS).truncatedTo(ChronoUnit.SECONDS);
      scene.hold("rebuild", end);
      scene.awaitEnforced("rebuild");
      kubectl("cordon", scene.node(1)).orFail();
      Pod guard = guardOn(scene, 1);
      assertThat(EvictionController.responders(guard))
          .containsExactly(Map.of("name", Evictions.RESPONDER, "priority", 10000));

      controller.request(guard);
      syncUntil(controller, () -> answer(controller, guard).containsKey("heartbeatTime"));

      assertThat(answer(controller, guard))
          .containsEntry("expectedCompletionTime", end.toString())
          .doesNotContainKey("completionTime")
          .hasEntrySatisfying(
              "message",
              it ->
                  assertThat(it)
                      .asString()
                      .startsWith(
                          "Companion evictions/agent blocks the drain of node evictions-1: Hold"
                              + " rebuild: a test (since ")
                      .endsWith(", until " + end + ")"));
      assertThat(controller.active(guard)).isEqualTo(Evictions.RESPONDER);
      assertThat(nodes(scene)).contains(scene.node(1));
      // The API server lets nobody else go on meanwhile.
      assertThatThrownBy(() -> patchEviction(scene, guard, INTERRUPTED).orFail())
          .hasMessageContaining("must stay Active because the responder is in progress");

      scene.release("rebuild");
      syncUntil(controller, () -> controller.isEvicted(guard));

      assertThat(answer(controller, guard))
          .containsKey("completionTime")
          .hasEntrySatisfying(
              "message",
              it ->
                  assertThat(it)
                      .asString()
                      .startsWith(
                          "Companion evictions/agent leaves the drain of node evictions-1 to its"
                              + " budget: "));
      assertThat(nodes(scene)).containsExactly(scene.node(2));
    }
  }

  @Test
  void what_was_answered_is_not_answered_again() {
    try (Scene scene = guarded("answered")) {
      EvictionController controller = controller(scene);
      Pod guard = heldAndAsked(scene, controller);
      int before = answers(guard).size();
      assertThat(before).isEqualTo(1);

      lookAt(scene, guard);
      chaperone.pulse();

      assertThat(answers(guard)).hasSize(before);
    }
  }

  @Test
  void of_two_evictions_the_budget_lets_one_go() {
    try (ApiServerSource _ = chaperone.startSources();
        ApiServerSource _ = evictions();
        Scene scene = guarded("one-of-two")) {
      EvictionController controller = controller(scene);
      kubectl("cordon", scene.node(1), scene.node(2)).orFail();
      List<Pod> guards = List.of(guardOn(scene, 1), guardOn(scene, 2));
      guards.forEach(controller::request);

      syncUntil(
          controller,
          () ->
              guards.stream().filter(controller::isEvicted).count() == 1
                  && guards.stream()
                      .anyMatch(
                          it ->
                              controller
                                  .answer(it, EvictionController.EVICTOR)
                                  .containsKey("message")));
      assertThat(nodes(scene)).hasSize(1);

      int out = nodes(scene).contains(scene.node(1)) ? 2 : 1;
      scene.uncordon(out);
      syncUntil(controller, () -> guards.stream().allMatch(controller::isEvicted));
      assertThat(nodes(scene)).containsExactly(scene.node(out));
    }
  }

  @Test
  void what_somebody_else_says_for_the_responder_lets_no_guard_go() {
    try (Scene scene = guarded("forged")) {
      EvictionController controller = controller(scene);
      Pod guard = heldAndAsked(scene, controller);
      Object words = answer(controller, guard).get("message");

      patchEviction(scene, guard, entry(controller, guard, "message", "go ahead")).orFail();
      lookAt(scene, guard);
      assertThat(answer(controller, guard)).containsEntry("message", words);

      String now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
      patchEviction(scene, guard, entry(controller, guard, "completionTime", now)).orFail();
      lookAt(scene, guard);
      syncUntil(
          controller,
          () -> controller.answer(guard, EvictionController.EVICTOR).containsKey("message"));
      assertThat(nodes(scene)).contains(scene.node(1));

      scene.release("rebuild");
      lookUntilAllowed(scene);
      syncUntil(controller, () -> controller.isEvicted(guard));
    }
  }

  @Test
  void a_pod_that_only_names_the_responder_is_not_answered() {
    try (Scene scene = guarded("foreign")) {
      EvictionController controller = controller(scene);
      scene.apply(
          """
          apiVersion: v1
          kind: Pod
          metadata:
            name: agent-guards-foreign
            namespace: foreign
            labels: {app.kubernetes.io/component: guard, chaperone.dev/companion: agent}
          spec:
            nodeName: foreign-1
            evictionResponders: [{name: chaperone.dev/guard, priority: 10000}]
            containers: [{name: main, image: none}]
          """);
      Pod foreign =
          chaperone
              .lab()
              .client()
              .pods()
              .inNamespace(scene.name)
              .withName("agent-guards-foreign")
              .require();
      controller.request(foreign);
      Pod guard = heldAndAsked(scene, controller);
      assertThat(controller.active(foreign)).isEqualTo(Evictions.RESPONDER);

      lookAt(scene, foreign);

      assertThat(answer(controller, guard)).containsKey("message");
      assertThat(answer(controller, foreign)).containsOnlyKeys("name", "startTime");
      assertThat(answers(foreign)).isEmpty();
    }
  }

  @Test
  void each_companion_answers_for_its_own_guard() {
    try (Scene scene = guarded("two-answer")) {
      scene.apply(
          """
          apiVersion: chaperone.dev/v1alpha1
          kind: Companion
          metadata: {name: other, namespace: two-answer}
          spec: {targetRef: {name: target}}
          """);
      await("guards of both")
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.pulse();
                return scene.guards().stream().filter(Scene::isReady).count() == 4;
              });
      EvictionController controller = controller(scene);
      Pod others =
          guardsOn(scene, 1).stream()
              .filter(it -> it.getMetadata().getName().startsWith("other-guards-"))
              .findFirst()
              .orElseThrow();
      controller.request(others);

      Pod guard = heldAndAsked(scene, controller);
      lookAt(scene, others);

      assertThat(answer(controller, guard).get("message"))
          .asString()
          .startsWith("Companion two-answer/agent blocks");
      assertThat(answer(controller, guard)).doesNotContainKey("completionTime");
      assertThat(answer(controller, others).get("message"))
          .asString()
          .startsWith("Companion two-answer/other leaves");
      syncUntil(controller, () -> controller.isEvicted(others));
      assertThat(guardsOn(scene, 1))
          .extracting(it -> it.getMetadata().getUid())
          .contains(guard.getMetadata().getUid());
    }
  }

  /// As an installation does that is told to respond, and gets the rights for it later.
  @Test
  void guards_get_the_responder_only_when_nothing_holds() {
    kubectl("delete", "-f", OVERLAY.resolve("rbac.yaml").toString()).orFail();
    await("no right").atMost(Scene.LONG).until(() -> !mayListEvictions());
    try (Scene scene = guarded("later")) {
      assertThat(scene.guards()).allMatch(it -> EvictionController.responders(it).isEmpty());
      Set<String> before = uids(scene);
      scene.hold("rebuild");
      scene.tellUntil("rebuild", "False Hold");

      install();
      await("the right").atMost(Scene.LONG).until(this::mayListEvictions);
      for (int i = 0; i < 3; i++) {
        chaperone.pulse();
      }
      assertThat(template(scene)).contains("evictionResponders");
      assertThat(uids(scene)).isEqualTo(before);
      scene.awaitAllowed("agent-nodes", 0);

      scene.release("rebuild");
      await("new guards")
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.pulse();
                return scene.condition("DisruptionAllowed").equals("True NothingHolds")
                    && scene.guardedNodes().size() == 2
                    && scene.guards().stream()
                        .noneMatch(it -> EvictionController.responders(it).isEmpty());
              });
      assertThat(uids(scene)).doesNotContainAnyElementsOf(before);
    }
  }

  @Test
  void the_functions_write_nothing_but_their_answer() {
    try (Scene scene = guarded("functions-write");
        KubernetesClient functions = chaperone.lab().client("chaperone", "functions")) {
      EvictionController controller = controller(scene);
      Pod guard = heldAndAsked(scene, controller);
      for (String patch :
          List.of(
              "{\"status\": {\"requesters\": []}}",
              "{\"status\": {\"observedGeneration\": 1}}",
              """
              {"status": {"conditions": [{
                "type": "Fine", "status": "True", "reason": "Fine", "message": "",
                "lastTransitionTime": "2026-11-24T06:00:00Z"}]}}
              """)) {
        assertThatThrownBy(
                () ->
                    functions
                        .genericKubernetesResources(EvictionController.EVICTIONS)
                        .resource(Objects.requireNonNull(controller.eviction(guard)))
                        .subresource("status")
                        .patch(PatchContext.of(PatchType.JSON_MERGE), patch))
            .hasMessageContaining("an Eviction must stay as it is, but for what the responder");
        // It is not the API that refuses it.
        patchEviction(scene, guard, patch).orFail();
      }
    }
  }

  private Scene guarded(String namespace) {
    Scene scene = new Scene(chaperone, namespace, 2).withCompanion("{}");
    scene.awaitPods("target", 2);
    scene.pulseUntilGuarded();
    return scene;
  }

  /// A Hold, and an eviction of the guard of the first node that waits for it.
  private Pod heldAndAsked(Scene scene, EvictionController controller) {
    scene.hold("rebuild");
    scene.tellUntil("rebuild", "False Hold");
    Pod guard =
        guardsOn(scene, 1).stream()
            .filter(it -> it.getMetadata().getName().startsWith("agent-guards-"))
            .filter(it -> !it.getMetadata().getOwnerReferences().isEmpty())
            .findFirst()
            .orElseThrow();
    controller.request(guard);
    syncUntil(controller, () -> controller.active(guard).equals(Evictions.RESPONDER));
    lookAt(scene, guard);
    assertThat(answer(controller, guard)).containsKeys("message", "heartbeatTime");
    return guard;
  }

  private void lookAt(Scene scene, Pod pod) {
    chaperone.changed("Eviction", scene.name, "pod-1-" + pod.getMetadata().getName());
  }

  private void lookUntilAllowed(Scene scene) {
    scene.tellUntil("rebuild", "True NothingHolds");
    scene.awaitAllowed("agent-nodes", 1);
  }

  private static void syncUntil(EvictionController controller, Callable<Boolean> done) {
    await()
        .atMost(Scene.LONG)
        .until(
            () -> {
              controller.sync();
              return done.call();
            });
  }

  private EvictionController controller(Scene scene) {
    return new EvictionController(chaperone.lab().client(), scene.name);
  }

  private static Map<String, Object> answer(EvictionController controller, Pod guard) {
    return controller.answer(guard, Evictions.RESPONDER);
  }

  /// What the functions wrote on the Eviction of this pod.
  private List<ApiCall> answers(Pod pod) {
    return chaperone.settledCalls().stream()
        .filter(it -> it.verb().equals("patch") && it.resource().equals("evictions"))
        .filter(it -> it.name().equals("pod-1-" + pod.getMetadata().getName()))
        .toList();
  }

  private static String entry(
      EvictionController controller, Pod guard, String field, String value) {
    String entries =
        List.of(Evictions.RESPONDER, EvictionController.EVICTOR).stream()
            .map(
                it -> {
                  Map<String, Object> entry = new TreeMap<>(controller.answer(guard, it));
                  if (it.equals(Evictions.RESPONDER)) {
                    entry.put(field, value);
                  }
                  return entry.entrySet().stream()
                      .map(e -> "\"%s\": \"%s\"".formatted(e.getKey(), e.getValue()))
                      .collect(Collectors.joining(", ", "{", "}"));
                })
            .collect(Collectors.joining(", "));
    return "{\"status\": {\"responders\": [%s]}}".formatted(entries);
  }

  private Kubectl.Result patchEviction(Scene scene, Pod guard, String patch) {
    return kubectl(
        "patch",
        "evictions.lifecycle.k8s.io",
        "pod-1-" + guard.getMetadata().getName(),
        "-n",
        scene.name,
        "--subresource=status",
        "--type=merge",
        "-p",
        patch);
  }

  private boolean mayListEvictions() {
    return kubectl(
                "auth",
                "can-i",
                "list",
                "evictions.lifecycle.k8s.io",
                "-A",
                "--as=system:serviceaccount:chaperone:functions")
            .exit()
        == 0;
  }

  private String template(Scene scene) {
    return kubectl("get", "deployment", "agent-guards", "-n", scene.name, "-o", "json").out();
  }

  private static Pod guardOn(Scene scene, int number) {
    return guardsOn(scene, number).getFirst();
  }

  private static List<Pod> guardsOn(Scene scene, int number) {
    return scene.guards().stream()
        .filter(it -> scene.node(number).equals(it.getSpec().getNodeName()))
        .toList();
  }

  private static Set<String> uids(Scene scene) {
    return scene.guards().stream().map(it -> it.getMetadata().getUid()).collect(Collectors.toSet());
  }

  private static Set<String> nodes(Scene scene) {
    return scene.guards().stream()
        .map(it -> it.getSpec().getNodeName())
        .filter(Objects::nonNull)
        .collect(Collectors.toSet());
  }

  private Kubectl.Result kubectl(String... arguments) {
    return chaperone.lab().kubectl(arguments);
  }
}
