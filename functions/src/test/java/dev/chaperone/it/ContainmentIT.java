package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Companion;
import dev.chaperone.lab.PodEviction;
import dev.chaperone.lab.install.Chaperone;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.GenericKubernetesResourceBuilder;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinitionVersion;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.Resource;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What is wrong with one Companion or Hold, or with what it depends on, is its own affair: the
/// others are looked at, held and opened as ever, and it says itself what is wrong.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class ContainmentIT {
  private static final int FORBIDDEN = 403;
  private static final int INVALID = 422;
  private static final int UNAVAILABLE = 503;
  private static final int ODD = Thorough.times(60, 1000);

  /// Odd Companions in one namespace.
  private static final int TOGETHER = 50;

  private static final String COMPANIONS = "companions.chaperone.dev";
  private static final String HOLDS = "holds.chaperone.dev";

  private static final AtomicInteger SERIAL = new AtomicInteger();

  private Installation chaperone;

  // Objects that cannot be read: of another version, or from before a rule was there.

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"disruption\": {\"maxUnavailable\": 3000000000}}",
        "{\"disruption\": {\"policy\": \"Sometimes\"}}",
        "{\"disruption\": {\"holdWhen\": [{}]}}",
        "{\"signals\": [null]}"
      })
  void a_spec_that_cannot_be_read_blocks_its_own_companion_and_no_other(String odd) {
    try (Scene healthy = guarded("healthy");
        Scene scene = guarded("odd-spec")) {
      scene.awaitAllowed("agent-nodes", 1);
      withoutRules(COMPANIONS, () -> companion(scene).patch(merge(), spec(odd)));

      requireServed(healthy);

      assertThat(
              chaperone
                  .lab()
                  .kubectl(
                      "get",
                      "events",
                      "-n",
                      scene.name,
                      "--field-selector=reason=SpecUnreadable,type=Warning,involvedObject.name=agent",
                      "-o",
                      "name")
                  .out())
          .hasLineCount(1);
      // The API server refuses the status too where what is required is missing.
      if (!odd.contains("holdWhen")) {
        assertThat(scene.condition("DisruptionAllowed")).isEqualTo("Unknown SpecUnreadable");
        assertThat(scene.condition("Ready")).isEqualTo("False SpecUnreadable");
      }
      scene.awaitAllowed("agent-nodes", 0);
      scene.awaitAllowed("agent-pods", 0);

      companion(scene).patch(merge(), spec("{\"disruption\": null, \"signals\": null}"));
      awaitTold(scene, "Companion", "agent", "True NothingHolds");
    }
  }

  @Test
  void a_spec_with_a_field_of_a_newer_version_is_read() {
    try (Scene scene = guarded("newer-spec")) {
      withoutRules(
          COMPANIONS,
          () -> companion(scene).patch(merge(), spec("{\"rollback\": {\"after\": \"5m\"}}")));
      scene.hold("rebuild");

      assertThat(chaperone.changed("Hold", scene.name, "rebuild").statusCode()).isEqualTo(200);

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"quietSince\": \"yesterday\"}",
        "{\"drainedNodes\": {}}",
        "{\"reasons\": [{}]}",
        "{\"conditions\": [null]}",
        "{\"guards\": \"many\"}",
        "{\"conditions\": [{\"type\": \"Ready\", \"status\": \"True\", \"lastTransitionTime\": \"yesterday\"}]}",
        "{\"unguardedNodes\": \"none\", \"newer\": 1}"
      })
  void a_status_that_cannot_be_read_is_written_anew_and_holds_on(String odd) {
    try (Scene healthy = guarded("healthy");
        Scene scene = guarded("odd-status")) {
      scene.hold("rebuild");
      chaperone.changed("Hold", scene.name, "rebuild");
      withoutRules(
          COMPANIONS,
          () -> companion(scene).subresource("status").patch(merge(), "{\"status\": null}"),
          () -> companion(scene).subresource("status").patch(merge(), status(odd)));

      requireServed(healthy);

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
      scene.awaitAllowed("agent-nodes", 0);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"reason\": {\"nested\": true}}",
        "{\"expiresAt\": [\"2020-01-01T00:00:00Z\"]}",
        "{\"reason\": null}"
      })
  void a_hold_that_cannot_be_read_holds(String odd) {
    try (Scene healthy = guarded("healthy");
        Scene scene = guarded("odd-hold")) {
      scene.hold("rebuild");
      withoutRules(
          HOLDS,
          () ->
              client()
                  .genericKubernetesResources("chaperone.dev/v1alpha1", "Hold")
                  .inNamespace(scene.name)
                  .withName("rebuild")
                  .patch(merge(), spec(odd)));

      requireServed(healthy);

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
      scene.awaitAllowed("agent-nodes", 0);
    }
  }

  @Test
  void a_hold_of_what_can_be_no_companion_is_told_so() {
    try (Scene scene = guarded("odd-name")) {
      scene.hold("rebuild");
      withoutRules(
          HOLDS,
          () ->
              client()
                  .genericKubernetesResources("chaperone.dev/v1alpha1", "Hold")
                  .inNamespace(scene.name)
                  .withName("rebuild")
                  .patch(merge(), spec("{\"companionRef\": {\"name\": \"agent?limit=1\"}}")));
      int before = chaperone.calls().size();

      chaperone.changed("Hold", scene.name, "rebuild");

      // The client puts a name into a path as it is, and would have asked for Companion agent.
      assertThat(chaperone.calls().subList(before, chaperone.calls().size()))
          .noneMatch(call -> call.resource().equals("companions") && call.verb().equals("get"));
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
    }
  }

  // Third parties that do not answer.

  @Test
  void a_webhook_that_hangs_for_some_namespaces_keeps_no_other_waiting() throws IOException {
    try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        Scene healthy = guarded("healthy");
        Scene scene = guarded("hanging");
        Scene second = guarded("hanging");
        Scene third = guarded("hanging")) {
      scene.awaitAllowed("agent-nodes", 1);
      hangWritesOfBudgets(silent);
      try {
        // Together they take longer than an event may.
        List.of(scene, second, third).forEach(it -> it.hold("rebuild"));
        awaitHanging(scene);

        requireServed(healthy);

        assertThat(scene.condition("DisruptionAllowed")).startsWith("Unknown ");
      } finally {
        chaperone.lab().kubectl("delete", "validatingwebhookconfiguration", "hanging").orFail();
      }
      awaitTold(scene, "Hold", "rebuild", "False Hold");
    }
  }

  @Test
  void a_signal_blocks_for_the_others_although_some_of_its_listeners_hang() throws IOException {
    try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        Scene healthy = guarded("healthy");
        Scene scene = guarded("hanging");
        Scene second = guarded("hanging");
        Scene third = guarded("hanging")) {
      String listen =
          "{\"signals\": [{\"type\": \"com.example.hanging\", \"holdWhen\": \"true\", \"ttl\": \"1h\"}]}";
      List.of(healthy, scene, second, third)
          .forEach(it -> companion(it).patch(merge(), spec(listen)));
      String token = tokenOfSender(scene);
      hangWritesOfBudgets(silent);
      try {
        scene.hold("rebuild");
        awaitHanging(scene);

        HttpRequest.Builder signal =
            chaperone
                .event("com.example.hanging")
                .header("Authorization", "Bearer " + token)
                .POST(HttpRequest.BodyPublishers.noBody());
        assertThat(chaperone.post(signal).statusCode()).isEqualTo(UNAVAILABLE);

        assertThat(healthy.condition("DisruptionAllowed")).isEqualTo("False Hold");
        healthy.awaitAllowed("agent-nodes", 0);
      } finally {
        chaperone.lab().kubectl("delete", "validatingwebhookconfiguration", "hanging").orFail();
      }
    }
  }

  /// Of somebody who may hold wherever they like.
  private String tokenOfSender(Scene scene) {
    chaperone
        .lab()
        .addServiceAccount(
            scene.name,
            "sender",
            "{apiGroups: [chaperone.dev], resources: [holds], verbs: [create, delete]}");
    return chaperone.lab().token(scene.name, "sender", "chaperone.dev");
  }

  /// In namespaces of the kind `hanging`, until the webhook is deleted.
  private void hangWritesOfBudgets(ServerSocket silent) {
    chaperone
        .lab()
        .apply(
            """
          apiVersion: admissionregistration.k8s.io/v1
          kind: ValidatingWebhookConfiguration
          metadata: {name: hanging}
          webhooks:
          - name: budgets.hanging.example.com
            clientConfig: {url: "https://127.0.0.1:%d/"}
            matchConditions: [{name: some, expression: request.namespace.startsWith('hanging-')}]
            rules: [{apiGroups: [policy], apiVersions: [v1], operations: [UPDATE], resources: [poddisruptionbudgets]}]
            failurePolicy: Fail
            sideEffects: None
            admissionReviewVersions: [v1]
            timeoutSeconds: 30
          """
                .formatted(silent.getLocalPort()));
  }

  @Test
  void what_was_achieved_is_told_although_another_write_failed() {
    try (Scene scene = guarded("half")) {
      scene.hold("rebuild");
      chaperone.changed("Hold", scene.name, "rebuild");
      scene.awaitAllowed("agent-nodes", 0);
      chaperone
          .lab()
          .apply(
              """
              apiVersion: admissionregistration.k8s.io/v1
              kind: ValidatingWebhookConfiguration
              metadata: {name: away}
              webhooks:
              - name: guards.away.example.com
                clientConfig: {url: "https://127.0.0.1:1/"}
                matchConditions: [{name: one, expression: request.namespace == '%s' && request.name == 'agent-guards'}]
                rules: [{apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments]}]
                failurePolicy: Fail
                sideEffects: None
                admissionReviewVersions: [v1]
              """
                  .formatted(scene.name));
      try {
        scene.apply(
            """
            apiVersion: apps/v1
            kind: DaemonSet
            metadata: {name: target, namespace: %1$s}
            spec:
              selector: {matchLabels: {app: target}}
              updateStrategy: {type: OnDelete}
              template:
                metadata: {labels: {app: target}}
                spec:
                  nodeSelector: {pool: %1$s}
                  tolerations: [{key: away, operator: Exists, effect: NoExecute}]
                  containers: [{name: main, image: none}]
            """
                .formatted(scene.name));
        await("guards that are not written")
            .atMost(Scene.LONG)
            .until(
                () ->
                    chaperone.changed("DaemonSet", scene.name, "target").statusCode()
                        == UNAVAILABLE);
        assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");

        scene.release("rebuild");
        assertThat(chaperone.changed("Hold", scene.name, "rebuild").statusCode())
            .isEqualTo(UNAVAILABLE);
        // Once more, with nothing new to say.
        assertThat(chaperone.changed("Hold", scene.name, "rebuild").statusCode())
            .isEqualTo(UNAVAILABLE);
        await("an eviction that would pass")
            .atMost(Scene.LONG)
            .until(() -> GuardEvictions.of(scene).dryRuns().containsValue(PodEviction.PASSED));
        assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
        assertThat(scene.condition("Guarded")).isEqualTo("False Refused");
      } finally {
        chaperone.lab().kubectl("delete", "validatingwebhookconfiguration", "away").orFail();
      }
    }
  }

  // Odd, and allowed.

  @Test
  void odd_objects_say_what_is_wrong_and_the_healthy_are_served() {
    long seed = Long.getLong("chaperone.seed", 1);
    OddObjects odd = new OddObjects(new Random(seed));
    List<Scene> healthy = IntStream.range(0, 3).mapToObj(_ -> guarded("healthy")).toList();
    List<Scene> scenes = new ArrayList<>();
    try {
      for (int serial = 0; serial * TOGETHER < ODD; serial++) {
        Scene scene = new Scene(chaperone, "oddities-" + serial, serial == 0 ? 1 : 0);
        scenes.add(scene);
        scene.daemonSet("oddities", "{pool: oddities-0}");
        scene.daemonSet("nothing-guards", "{}");
      }
      List<Duration> alone = serve(healthy);

      int refused = createOdd(scenes, odd);
      List<Duration> besideSpecs = new ArrayList<>();
      pulseUntilToldWhile(scenes, () -> besideSpecs.addAll(serve(healthy)));

      List<Companion> companions = companions(scenes);
      withoutRules(
          COMPANIONS,
          companions.stream()
              .<Runnable>flatMap(
                  it -> {
                    var status = client().resource(it).subresource("status");
                    String junk = odd.status();
                    return Stream.of(
                        () -> status.patch(merge(), status("null")),
                        () -> status.patch(merge(), status(junk)));
                  })
              .toArray(Runnable[]::new));
      List<Duration> besideStatuses = new ArrayList<>();
      pulseUntilToldWhile(scenes, () -> besideStatuses.addAll(serve(healthy)));

      System.out.printf(
          "ContainmentIT: %d odd Companions from seed %d (%d more refused); from a Hold's event to its answer, p50"
              + " and max: %s alone, %s beside odd specs, %s beside odd statuses%n",
          companions.size(), seed, refused, told(alone), told(besideSpecs), told(besideStatuses));
      assertThat(companions).hasSize(ODD);
    } finally {
      scenes.forEach(Scene::close);
      healthy.forEach(Scene::close);
    }
  }

  /// Until so many are there, with a Hold each.
  ///
  /// @return how many the API server refused besides
  private int createOdd(List<Scene> scenes, OddObjects odd) {
    int refused = 0;
    for (int created = 0; created < ODD; ) {
      Scene scene = scenes.get(created / TOGETHER);
      String name = List.of("odd-%d", "o.%d", "agent-guards-%d", "a%d-nodes").get(created % 4);
      name = name.formatted(created);
      if (create(scene, "Companion", name, odd.companionSpec())) {
        create(scene, "Hold", "odd-" + created, odd.holdSpec(name));
        created++;
      } else {
        refused++;
      }
    }
    return refused;
  }

  private boolean create(Scene scene, String kind, String name, String spec) {
    try {
      client()
          .resource(
              """
              apiVersion: chaperone.dev/v1alpha1
              kind: %s
              metadata: {name: %s, namespace: %s}
              spec: %s
              """
                  .formatted(kind, name, scene.name, spec))
          .create();
      return true;
    } catch (KubernetesClientException e) {
      assertThat(e.getCode()).as(e.getMessage()).isIn(FORBIDDEN, INVALID);
      return false;
    }
  }

  private void pulseUntilToldWhile(List<Scene> scenes, Runnable meanwhile) {
    CompletableFuture<Void> other = CompletableFuture.runAsync(meanwhile);
    await("a word on each")
        .atMost(Scene.LONG.multipliedBy(5))
        .until(
            () -> {
              chaperone.pulse();
              List<Companion> all = companions(scenes);
              long silent = all.stream().filter(it -> !says(it)).count();
              System.out.printf("ContainmentIT: %d of %d wait for a word%n", silent, all.size());
              return silent == 0;
            });
    other.join();
  }

  /// Holds and releases each of them a few times.
  ///
  /// @return how long the answer to each Hold took
  private List<Duration> serve(List<Scene> healthy) {
    List<Duration> answers = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      for (Scene scene : healthy) {
        scene.hold("unseen");
        long began = System.nanoTime();
        assertThat(onceStored(scene).statusCode()).isEqualTo(200);
        answers.add(Duration.ofNanos(System.nanoTime() - began));
        assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
        scene.awaitAllowed("agent-nodes", 0);
        scene.release("unseen");
        assertThat(onceStored(scene).statusCode()).isEqualTo(200);
        assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
      }
    }
    return answers;
  }

  /// Sent again, as Knative does, while the API server makes its storage anew: it does so after the
  /// rules of a definition changed.
  private HttpResponse<String> onceStored(Scene scene) {
    return await("the storage of Companions and Holds")
        .atMost(Scene.LONG)
        .until(
            () -> chaperone.changed("Hold", scene.name, "unseen"),
            it -> !it.body().contains("(re)initializing"));
  }

  private static String told(List<Duration> times) {
    List<Duration> sorted = times.stream().sorted().toList();
    return "%d and %d ms"
        .formatted(sorted.get(sorted.size() / 2).toMillis(), sorted.getLast().toMillis());
  }

  private List<Companion> companions(List<Scene> scenes) {
    return scenes.stream()
        .flatMap(
            it ->
                client().resources(Companion.class).inNamespace(it.name).list().getItems().stream())
        .toList();
  }

  /// Whether its status says in words how it is.
  private static boolean says(Companion companion) {
    return Optional.ofNullable(companion.getStatus())
        .map(it -> Objects.requireNonNullElse(it.conditions(), List.<Condition>of()))
        .flatMap(it -> it.stream().filter(c -> "Ready".equals(c.getType())).findFirst())
        .map(Condition::getMessage)
        .filter(it -> !it.isBlank())
        .isPresent();
  }

  /// In a namespace of its own: one that is used again may still be going.
  private Scene guarded(String kind) {
    String name = kind + "-" + SERIAL.incrementAndGet();
    Scene scene = new Scene(chaperone, name, 2).withCompanion("{}");
    await("guards of " + name)
        .atMost(Scene.LONG)
        .until(
            () -> {
              chaperone.changed("Companion", name, "agent");
              return scene.guardedNodes().size() == 2
                  && scene.condition("DisruptionAllowed").equals("True NothingHolds");
            });
    return scene;
  }

  /// One pulse is enough to find what nobody told of.
  private void requireServed(Scene healthy) {
    healthy.hold("unseen");
    chaperone.pulse();
    assertThat(healthy.condition("DisruptionAllowed")).isEqualTo("False Hold");
    healthy.awaitAllowed("agent-nodes", 0);
    healthy.release("unseen");
    assertThat(chaperone.changed("Hold", healthy.name, "unseen").statusCode()).isEqualTo(200);
    assertThat(healthy.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
  }

  /// Until an event of the object has led to this.
  private void awaitTold(Scene scene, String kind, String name, String allowed) {
    await(allowed)
        .atMost(Scene.LONG)
        .until(
            () -> {
              chaperone.changed(kind, scene.name, name);
              return scene.condition("DisruptionAllowed").equals(allowed);
            });
  }

  /// Until the API server calls the webhook.
  private void awaitHanging(Scene scene) {
    await("a webhook that hangs")
        .atMost(Scene.LONG)
        .until(() -> chaperone.changed("Hold", scene.name, "rebuild").statusCode() == UNAVAILABLE);
  }

  /// Does what the rules of a kind would refuse, one after the other.
  private void withoutRules(String definition, Runnable... writes) {
    var definitions = client().apiextensions().v1().customResourceDefinitions();
    CustomResourceDefinition before = definitions.withName(definition).get();
    definitions
        .withName(definition)
        .patch(PatchContext.of(PatchType.JSON), Chaperone.WITHOUT_RULES);
    try {
      for (Runnable write : writes) {
        await("what the rules refuse")
            .atMost(Scene.LONG)
            .ignoreExceptions()
            .until(
                () -> {
                  write.run();
                  return true;
                });
      }
    } finally {
      definitions
          .withName(definition)
          .edit(
              it -> {
                it.getSpec().getVersions().getFirst().setSchema(version(before).getSchema());
                return it;
              });
    }
    awaitRules(before);
  }

  /// Until the API server has the rules again, and lists by field: for a moment after a change it
  /// answers that with 429, so that an event would have to be sent again.
  private void awaitRules(CustomResourceDefinition definition) {
    var objects =
        client()
            .genericKubernetesResources(
                apiVersion(definition), definition.getSpec().getNames().getKind())
            .inNamespace("default");
    String field = version(definition).getSelectableFields().getFirst().getJsonPath().substring(1);
    await("the rules of " + definition.getMetadata().getName())
        .atMost(Scene.LONG)
        .ignoreExceptions()
        .untilAsserted(
            () -> {
              assertThatThrownBy(() -> objects.resource(withoutSpec(definition)).dryRun().create())
                  .hasFieldOrPropertyWithValue("code", INVALID);
              objects.withField(field, "agent").list();
            });
  }

  private static GenericKubernetesResource withoutSpec(CustomResourceDefinition definition) {
    return new GenericKubernetesResourceBuilder()
        .withApiVersion(apiVersion(definition))
        .withKind(definition.getSpec().getNames().getKind())
        .withNewMetadata()
        .withName("agent")
        .endMetadata()
        .build();
  }

  private static String apiVersion(CustomResourceDefinition definition) {
    return definition.getSpec().getGroup() + "/" + version(definition).getName();
  }

  private static CustomResourceDefinitionVersion version(CustomResourceDefinition definition) {
    return definition.getSpec().getVersions().getFirst();
  }

  private Resource<GenericKubernetesResource> companion(Scene scene) {
    return client()
        .genericKubernetesResources("chaperone.dev/v1alpha1", "Companion")
        .inNamespace(scene.name)
        .withName("agent");
  }

  private static PatchContext merge() {
    return PatchContext.of(PatchType.JSON_MERGE);
  }

  private static String spec(String spec) {
    return "{\"spec\": %s}".formatted(spec);
  }

  private static String status(String status) {
    return "{\"status\": %s}".formatted(status);
  }

  private KubernetesClient client() {
    return chaperone.lab().client();
  }
}
