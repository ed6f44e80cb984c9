package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Installed;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The dead man's switch of `knative/overlays/dead-man`: its script and its policies as they are
/// shipped, but for the hour, which is three seconds here. No source runs, so that Chaperone lives
/// exactly when a test posts an event. Skipped where a program that the script calls is not
/// installed.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class DeadManIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final String HOUR = "duration('1h')";
  private static final Duration SILENT = Duration.ofSeconds(3);
  private static final String ACCOUNT = "system:serviceaccount:chaperone:dead-man";

  /// Closed for as long as it is evaluated by somebody.
  private static final String HELD =
      "{holdWhen: [{name: always, expression: \"true\", message: a test}]}";

  private static final List<String> BUDGETS = List.of("agent-nodes", "agent-pods");

  private static final IntOrString MORE_THAN_ALL = new IntOrString(Integer.MAX_VALUE);

  /// A note of who changed the budget, and when, by a manager, of a field.
  private static final String FORGED =
      """
      , {"op": "add", "path": "/metadata/managedFields/-", "value": {
          "manager": "%s", "operation": "Update", "apiVersion": "policy/v1", "time": "2099-01-01T00:00:00Z",
          "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:%s": {}}}}}
      """;

  private Installation chaperone;
  private PodScript script;

  @BeforeEach
  void install() {
    Monitoring.require(Installed.JQ);
    install("duration('%ds')".formatted(SILENT.toSeconds()));
  }

  private void install(String silent) {
    String overlay = Kubectl.kustomize(HOME.resolve("knative/overlays/dead-man"));
    assertThat(overlay).contains(HOUR);
    nothingIsAsked();
    lab().apply(HOME.resolve("knative/policies/made.yaml"));
    List<JsonNode> objects = PodScript.objects(overlay.replace(HOUR, silent));
    JsonNode job =
        objects.stream()
            .filter(it -> it.path("kind").asText().equals("CronJob"))
            .map(it -> it.at("/spec/jobTemplate/spec"))
            .findFirst()
            .orElseThrow();
    objects.stream()
        .filter(it -> !it.path("kind").asText().equals("CronJob"))
        .forEach(it -> lab().apply(it.toString()));
    PodScript.checkJob(lab(), job);
    script = new PodScript(job.at("/template/spec"));
  }

  @AfterEach
  void nothingIsAsked() {
    kubectl("delete", "hold", "dead-man", "-n", "chaperone", "--ignore-not-found").orFail();
  }

  @Test
  void its_policies_are_well_typed() {
    for (String policy : List.of("", "-question", "-holds", "-always-hold")) {
      await("policy checked")
          .atMost(Scene.LONG)
          .until(() -> !typeChecking(policy, "{.status.observedGeneration}").isEmpty());
      assertThat(typeChecking(policy, "{.status.typeChecking.expressionWarnings}")).isEmpty();
    }
  }

  private String typeChecking(String policy, String path) {
    return kubectl(
            "get",
            "validatingadmissionpolicy",
            "chaperone-dead-man" + policy,
            "-o",
            "jsonpath=" + path)
        .orFail()
        .out();
  }

  @Test
  void what_nobody_keeps_closed_any_more_is_opened_for_one_node_at_a_time() {
    try (Scene scene = new Scene(chaperone, "dead-man", 3).withCompanion(HELD)) {
      held(scene, 3);
      assertThat(runs().orFail().out()).contains("was never asked");

      Kubectl.Result opened = awaitOpened(scene);

      // So that alerts on failed Jobs tell of it.
      assertThat(opened.out()).containsPattern("budgets opened: [1-9]");
      assertThat(opened.err()).contains("is managed by Chaperone, which undoes changes to it");
      assertThat(scene.budget("agent-nodes").getSpec().getMaxUnavailable())
          .isEqualTo(new IntOrString(1));
      assertThat(scene.budget("agent-pods").getSpec().getMinAvailable())
          .isEqualTo(new IntOrString(2));
      scene.awaitAllowed("agent-nodes", 1);
      assertThat(scene.drain(1).await(Scene.LONG).exit()).isZero();
      try (Kubectl second = scene.drain(2)) {
        Scene.awaitHeld(second);
      }

      // Chaperone is back, and its resync answers what no event told it of.
      chaperone.pulse();
      assertClosed(scene);
      assertThat(runs().orFail().out()).contains("Chaperone lives");
      assertClosed(scene);
    }
  }

  @Test
  void nothing_is_opened_while_chaperone_lives() {
    try (Scene scene = new Scene(chaperone, "dead-man-alive", 2).withCompanion(HELD)) {
      held(scene, 2);
      runs().orFail();
      chaperone.changed("Hold", "chaperone", "dead-man");
      awaitSilence();
      awaitRefusal(scene, "Chaperone lives, it has answered");

      assertThat(runs().orFail().out()).contains("Chaperone lives");

      assertClosed(scene);
    }
  }

  /// Here the hour is one.
  @Test
  void nothing_is_opened_before_an_hour_has_passed_whatever_time_somebody_notes() {
    install(HOUR);
    try (Scene scene = new Scene(chaperone, "dead-man-hour", 2).withCompanion(HELD)) {
      held(scene, 2);
      runs().orFail();

      awaitRefusal(scene, "has to be an hour without an answer");
      // What the API server notes itself replaces a note of the same manager or field, ...
      assertThat(open(scene, FORGED.formatted("kubectl-patch", "maxUnavailable")).err())
          .contains("has to be an hour without an answer");
      // ... and every other one is seen.
      assertThat(open(scene, FORGED.formatted("forger", "selector")).err())
          .contains("must leave it to the API server to note who changes a budget");
      assertClosed(scene);
    }
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    // policy, how long the Hold lasts, what is said
    "hold,          Auto,       none, Hold rebuild of Companion agent has not expired: a test",
    "hold-with-end, Auto,       PT1H, Hold rebuild of Companion agent has not expired: a test",
    "always,        AlwaysHold, '',   the policy of Companion agent is AlwaysHold",
  })
  void what_somebody_asked_for_in_so_many_words_stays(
      String name, String policy, String lasts, String says) {
    try (Scene scene =
        new Scene(chaperone, "dead-man-" + name, 2)
            .withCompanion("{policy: %s}".formatted(policy))) {
      scene.awaitPods("target", 2);
      scene.pulseUntilGuarded();
      if (lasts.equals("none")) {
        scene.hold("rebuild");
      } else if (!lasts.isEmpty()) {
        scene.hold("rebuild", Instant.now().plus(Duration.parse(lasts)));
      }
      chaperone.pulse();
      assertClosed(scene);
      runs().orFail();
      awaitSilence();
      awaitRefusal(scene, says);

      // It may open what other tests have left.
      assertThat(runs().err()).contains(says);

      assertClosed(scene);
    }
  }

  @Test
  void a_hold_that_has_expired_meanwhile_keeps_nothing_closed() {
    try (Scene scene = new Scene(chaperone, "dead-man-expired", 2).withCompanion("{}")) {
      scene.awaitPods("target", 2);
      scene.pulseUntilGuarded();
      scene.hold("rebuild");
      chaperone.pulse();
      assertClosed(scene);
      scene.release("rebuild");
      scene.hold("rebuild", Instant.now().minusSeconds(60));
      runs().orFail();

      awaitOpened(scene);
    }
  }

  @Test
  void whoever_has_its_token_can_do_no_more() {
    try (Scene scene = new Scene(chaperone, "dead-man-token", 2).withCompanion(HELD)) {
      held(scene, 2);
      scene.apply(
          """
          apiVersion: policy/v1
          kind: PodDisruptionBudget
          metadata: {name: theirs, namespace: %s}
          spec: {minAvailable: 2147483647, selector: {matchLabels: {app: target}}}
          """
              .formatted(scene.name));
      runs().orFail();
      awaitSilence();
      await("the right change is let through")
          .atMost(Scene.LONG)
          .untilAsserted(() -> assertThat(open(scene, "").exit()).isZero());

      assertThat(open(scene, "theirs", "").err())
          .contains("must change nothing but budgets that Chaperone closed");
      assertThat(open(scene, change("replace", "/spec/maxUnavailable", "2")).err())
          .contains("for one node at a time");
      for (String path :
          List.of(
              "/metadata/annotations/a", "/metadata/labels/a", "/spec/selector/matchLabels/a")) {
        assertThat(open(scene, change("add", path, "\"b\"")).err())
            .as(path)
            .contains("and change nothing else");
      }
    }
  }

  private static String change(String op, String path, String value) {
    return ", {\"op\": \"%s\", \"path\": \"%s\", \"value\": %s}".formatted(op, path, value);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\0',
      value = {
        "patch  | {\"spec\": {\"expiresAt\": \"2020-01-01T00:00:00Z\"}} | must not date its question back",
        "patch  | {\"spec\": {\"companionRef\": {\"name\": \"a\"}}} | must not date its question back",
        "patch  | {\"metadata\": {\"ownerReferences\": [{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"name\": \"a\", \"uid\": \"b\"}]}} | to nobody who deletes it",
        "delete | | cannot delete resource",
      })
  void its_question_is_neither_older_than_it_is_nor_gone(
      String verb, @Nullable String patch, String says) {
    List<String> command =
        new ArrayList<>(
            List.of(
                verb,
                "hold",
                "dead-man",
                "-n",
                "chaperone",
                "--dry-run=server",
                "--as=" + ACCOUNT));
    if (patch != null) {
      command.addAll(List.of("--type=merge", "-p", patch));
    }

    await(says)
        .atMost(Scene.LONG)
        .untilAsserted(
            () -> assertThat(kubectl(command.toArray(String[]::new)).err()).contains(says));
  }

  /// Closed by Chaperone, for a reason that only Chaperone sees.
  private void held(Scene scene, int nodes) {
    scene.awaitPods("target", nodes);
    scene.pulseUntilGuarded();
    scene.awaitPods("follower", nodes);
    await("pods that are counted")
        .atMost(Scene.LONG)
        .until(() -> scene.budget("agent-pods").getStatus().getExpectedPods() == nodes);
    assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False ExpressionTrue");
    assertClosed(scene);
  }

  private static void assertClosed(Scene scene) {
    assertThat(BUDGETS).allMatch(it -> isClosed(scene, it));
  }

  private static boolean isClosed(Scene scene, String budget) {
    return MORE_THAN_ALL.equals(scene.budget(budget).getSpec().getMinAvailable());
  }

  /// As the CronJob runs it.
  private Kubectl.Result runs() {
    return script.run(
        lab(), Map.of("SILENT_SECONDS", Long.toString(SILENT.plusSeconds(1).toSeconds())));
  }

  /// Until both budgets are open.
  ///
  /// @return the first run that opened one
  private Kubectl.Result awaitOpened(Scene scene) {
    List<Kubectl.Result> failed = new ArrayList<>();
    await("budgets that are open")
        .atMost(Scene.LONG)
        .pollInterval(Scene.HALF_A_SECOND)
        .until(
            () -> {
              Kubectl.Result run = runs();
              if (run.exit() != 0) {
                failed.add(run);
              }
              return BUDGETS.stream().noneMatch(it -> isClosed(scene, it));
            });
    return failed.getFirst();
  }

  /// Until the question is old enough.
  private void awaitSilence() {
    Instant asked =
        Instant.parse(
            kubectl(
                    "get",
                    "hold",
                    "dead-man",
                    "-n",
                    "chaperone",
                    "-o",
                    "jsonpath={.spec.expiresAt}")
                .orFail()
                .out());
    await("a question that is old enough")
        .atMost(Scene.LONG)
        .until(() -> Instant.now().isAfter(asked.plus(SILENT).plusSeconds(2)));
  }

  /// A policy counts a moment after it was made.
  private void awaitRefusal(Scene scene, String says) {
    await(says)
        .atMost(Scene.LONG)
        .untilAsserted(() -> assertThat(open(scene, "").err()).contains(says));
  }

  private Kubectl.Result open(Scene scene, String more) {
    return open(scene, "agent-nodes", more);
  }

  /// Asks whether the switch may do what it is for, and more; nothing is written.
  private Kubectl.Result open(Scene scene, String budget, String more) {
    return kubectl(
        "patch",
        "poddisruptionbudget",
        budget,
        "-n",
        scene.name,
        "--type=json",
        "--dry-run=server",
        "--as=" + ACCOUNT,
        "-p",
        """
        [{"op": "remove", "path": "/spec/minAvailable"}, {"op": "add", "path": "/spec/maxUnavailable", "value": 1},
         {"op": "add", "path": "/spec/unhealthyPodEvictionPolicy", "value": "AlwaysAllow"} %s]
        """
            .formatted(more));
  }

  private Kubectl.Result kubectl(String... arguments) {
    return lab().kubectl(arguments);
  }

  private Lab lab() {
    return chaperone.lab();
  }
}
