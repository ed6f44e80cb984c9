package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.chaperone.lab.monitoring.Alertmanager.Alert;
import io.fabric8.kubernetes.api.model.Pod;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The shipped alerts, inhibition and dashboard, live: what the functions write is reported by
/// kube-state-metrics, evaluated by Prometheus and handed on, or not, by Alertmanager.
/// [Monitoring] says what differs from the shipped files. Skipped where Prometheus or Alertmanager
/// is not installed.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class AlertsIT {
  /// Nobody is to be paged for it.
  private static final String MARKER = "ChaperoneBlocksDisruptions";

  /// Alerts about closed budgets that clusters come with.
  private static final List<String> THEIRS =
      List.of("KubePdbNotEnoughHealthyPods", "PodDisruptionBudgetLimit");

  /// The budgets of the Companion of a scene.
  private static final List<String> BUDGETS = List.of("agent-nodes", "agent-pods");

  private static final String NO_DATA_IS_ZERO = " or vector(0)";

  @TempDir private static Path folder;
  private static @Nullable Monitoring monitoring;

  private Installation chaperone;

  /// How an alert comes about and ends.
  ///
  /// @param disruption YAML of the Companion's spec.disruption
  /// @param unseen whether it comes about because nothing wakes the functions
  private record Story(
      String disruption, Consumer<Scene> cause, Consumer<Scene> remedy, boolean unseen) {
    Story(String disruption, Consumer<Scene> cause, Consumer<Scene> remedy) {
      this(disruption, cause, remedy, false);
    }
  }

  @BeforeEach
  void start() throws IOException {
    if (monitoring == null) {
      monitoring = new Monitoring(chaperone.lab(), folder);
    }
  }

  @AfterAll
  static void end() {
    if (monitoring != null) {
      monitoring.close();
      monitoring = null;
    }
  }

  /// Every alert of the shipped rule files.
  static Stream<String> alerts() {
    return Monitoring.RULES.stream()
        .map(it -> yaml(Monitoring.FILES.resolve(it)))
        .flatMap(it -> it.findValuesAsText("alert").stream());
  }

  /// All of them can be brought about; a new alert has none until somebody tells it.
  private Story story(String alert) {
    return switch (alert) {
      case MARKER, "ChaperoneHeldTooLong" ->
          new Story("{}", scene -> scene.hold("rebuild"), scene -> scene.release("rebuild"));
      case "ChaperoneGuardMissing" ->
          new Story(
              "{}",
              scene -> {
                // It lacks no guard: nothing is told of it, neither before nor afterwards.
                assertThat(scene.drain(2).await(Scene.LONG).exit()).isZero();
                untilWithPulses(
                    "a drained node", () -> scene.companion().getStatus().drainedNodes() != null);
                report(scene, CANNOT_START);
              },
              scene -> report(scene, RUNS));
      case "ChaperoneResyncNotSeen" ->
          new Story("{}", scene -> scene.hold("rebuild"), _ -> chaperone.pulse(), true);
      case "ChaperoneEventsLost" ->
          new Story(
              "{}",
              scene -> lastLost(scene, Instant.now()),
              // As if so much time had passed.
              scene -> lastLost(scene, Instant.now().minusSeconds(7200)));
      case "ChaperoneNotEnforced" ->
          new Story(
              "{}",
              scene -> {
                report(scene, CANNOT_START);
                scene.hold("rebuild");
              },
              scene -> report(scene, RUNS));
      case "ChaperoneMaxHoldDurationExceeded" ->
          new Story(
              "{maxHoldDuration: 1s}",
              scene -> scene.hold("rebuild"),
              scene -> scene.release("rebuild"));
      case "ChaperoneNotReady" ->
          new Story(
              "{}",
              scene ->
                  chaperone
                      .lab()
                      .kubectl("delete", "daemonset", "follower", "-n", scene.name)
                      .orFail(),
              scene -> scene.daemonSet("follower", "{}"));
      default ->
          throw new AssertionError(
              alert + " has no story: tell here how it comes about and ends, or why it cannot");
    };
  }

  @ParameterizedTest
  @MethodSource("alerts")
  void fires_with_its_cause_and_resolves_without(String alert) {
    Story story = story(alert);
    String name = alert.replaceFirst("^Chaperone", "alert").toLowerCase(Locale.ROOT);
    try (Scene scene = new Scene(chaperone, name, 2).withCompanion(story.disruption())) {
      scene.awaitPods("target", 2);
      scene.pulseUntilGuarded();
      assertThat(monitoring().alerts(alert, scene.name)).isEmpty();

      story.cause().accept(scene);
      until(
          alert + " fires",
          !story.unseen(),
          () -> monitoring().alerts(alert, scene.name).stream().anyMatch(it -> !it.isSuppressed()));
      if (!alert.equals(MARKER)) {
        until(
            "somebody is paged for " + alert,
            !story.unseen(),
            () -> monitoring().pager().hasPage("firing", alert, scene.name));
      }

      story.remedy().accept(scene);
      untilWithPulses(alert + " resolves", () -> monitoring().alerts(alert, scene.name).isEmpty());
      if (!alert.equals(MARKER)) {
        untilWithPulses(
            "whoever was paged for " + alert + " is told",
            () -> monitoring().pager().hasPage("resolved", alert, scene.name));
      }
    }
    assertThat(monitoring().pager().pages(it -> MARKER.equals(it.labels().get("alertname"))))
        .isEmpty();
  }

  @Test
  void nobody_is_paged_for_the_budgets_of_a_held_companion_and_somebody_is_for_every_other() {
    try (Scene scene = new Scene(chaperone, "inhibited", 2).withCompanion("{}")) {
      scene.awaitPods("target", 2);
      scene.pulseUntilGuarded();
      // Another team's, in the same namespace, which its pods do not fulfil.
      scene.apply(
          """
          apiVersion: policy/v1
          kind: PodDisruptionBudget
          metadata: {name: cart, namespace: %s}
          spec: {minAvailable: 5, selector: {matchLabels: {app: target}}}
          """
              .formatted(scene.name));

      scene.hold("rebuild");
      for (String theirs : THEIRS) {
        untilWithPulses(
            theirs + " fires for all three budgets",
            () -> monitoring().alerts(theirs, scene.name).size() == 3);
        untilWithPulses(
            "somebody is paged for " + theirs,
            () -> monitoring().pager().hasPage("firing", theirs, scene.name));
      }
      for (String budget : BUDGETS) {
        Alert ours = alert(MARKER, scene, budget).orElseThrow();
        assertThat(ours.isSuppressed()).isFalse();
        for (String theirs : THEIRS) {
          Alert inhibited = alert(theirs, scene, budget).orElseThrow();
          assertThat(inhibited.isSuppressed()).as("%s of %s", theirs, budget).isTrue();
          assertThat(inhibited.inhibitedBy()).containsExactly(ours.fingerprint());
          Alert foreign = alert(theirs, scene, "cart").orElseThrow();
          assertThat(foreign.isSuppressed()).as("%s of cart", theirs).isFalse();
        }
      }

      scene.release("rebuild");
      untilWithPulses(
          "no alert about the Companion's budgets is left",
          () ->
              BUDGETS.stream()
                  .allMatch(
                      budget ->
                          Stream.concat(Stream.of(MARKER), THEIRS.stream())
                              .allMatch(it -> alert(it, scene, budget).isEmpty())));
      assertThat(alert(THEIRS.getFirst(), scene, "cart")).isPresent();
      assertThat(
              monitoring()
                  .pager()
                  .pages(
                      it ->
                          scene.name.equals(it.labels().get("namespace"))
                              && it.labels().containsKey("poddisruptionbudget")))
          .isNotEmpty()
          .allSatisfy(
              page -> assertThat(page.labels()).containsEntry("poddisruptionbudget", "cart"));
    }
  }

  @Test
  void every_query_of_the_dashboard_returns_data_while_something_blocks_and_a_guard_is_missing()
      throws IOException {
    JsonNode dashboard =
        new ObjectMapper().readTree(Monitoring.FILES.resolve("dashboard.json").toFile());
    try (Scene scene = new Scene(chaperone, "dashboard", 2).withCompanion("{}")) {
      scene.awaitPods("target", 2);
      scene.pulseUntilGuarded();
      report(scene, CANNOT_START);
      scene.hold("rebuild", Instant.now().plusSeconds(3600));
      untilWithPulses(
          "a block that is not enforced",
          () -> scene.condition("DisruptionAllowed").equals("Unknown NotEnforced"));

      List<String> queries = dashboard.findValuesAsText("expr");
      assertThat(queries).isNotEmpty();
      for (String query : queries) {
        String here = query.replace("$namespace", scene.name);
        // With this, a panel shows 0 for what there is no series of.
        String data =
            here.endsWith(NO_DATA_IS_ZERO)
                ? here.substring(0, here.length() - NO_DATA_IS_ZERO.length())
                : here;
        await(data)
            .atMost(Scene.LONG)
            .until(() -> !monitoring().prometheus().query(data).isEmpty());
      }
      for (JsonNode variable : dashboard.at("/templating/list")) {
        if (variable.path("type").asText().equals("query")) {
          assertThat(variable.path("query").asText())
              .isEqualTo("label_values(chaperone_companion_info, namespace)");
        }
      }
      assertThat(
              texts(monitoring().prometheus().labelValues("namespace", "chaperone_companion_info")))
          .contains(scene.name);
    }
  }

  private static final String CANNOT_START =
      """
      {"status": {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{"name": "guard", "image": "none", "imageID": "", "ready": false, "restartCount": 0,
          "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}}
      """;

  private static final String RUNS =
      """
      {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{"name": "guard", "image": "none", "imageID": "", "ready": true, "restartCount": 0,
          "state": {"running": {}}}]}}
      """;

  /// What the kubelet of one of the nodes reports of its guard.
  private void report(Scene scene, String status) {
    Pod guard =
        scene.guards().stream()
            .filter(it -> scene.node(1).equals(it.getSpec().getNodeName()))
            .findFirst()
            .orElseThrow();
    chaperone.lab().reportPod(scene.name, guard.getMetadata().getName(), status);
  }

  private static Optional<Alert> alert(String name, Scene scene, String budget) {
    return monitoring().alerts(name, scene.name).stream()
        .filter(it -> it.label("poddisruptionbudget").equals(budget))
        .findFirst();
  }

  /// Waits, and meanwhile lets the functions look at everything as their resync does.
  private void untilWithPulses(String what, BooleanSupplier condition) {
    until(what, true, condition);
  }

  private void until(String what, boolean pulses, BooleanSupplier condition) {
    await(what)
        .atMost(Scene.LONG)
        .pollInterval(Scene.HALF_A_SECOND)
        .until(
            () -> {
              if (pulses) {
                chaperone.pulse();
              }
              return condition.getAsBoolean();
            });
  }

  /// Leaves what the Service for dead letters leaves ([DeadLetterIT]), in an installation in the
  /// namespace of the scene.
  private static void lastLost(Scene scene, Instant time) {
    scene.apply(
        """
        apiVersion: coordination.k8s.io/v1
        kind: Lease
        metadata: {name: chaperone-events-lost, namespace: %s}
        spec: {renewTime: "%s"}
        """
            .formatted(
                scene.name,
                time.truncatedTo(ChronoUnit.SECONDS).toString().replace("Z", ".000000Z")));
  }

  private static Monitoring monitoring() {
    return Objects.requireNonNull(monitoring);
  }

  private static List<String> texts(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).map(JsonNode::asText).toList();
  }

  private static JsonNode yaml(Path file) {
    try {
      return new YAMLMapper().readTree(file.toFile());
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }
}
