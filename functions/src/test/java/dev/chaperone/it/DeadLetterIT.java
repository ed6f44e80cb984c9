package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.controlplane.ApiCall;
import dev.chaperone.lab.programs.ServerProcess;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.coordination.v1.LeaseSpec;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.TestProfile;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;

/// The Service for dead letters: one function exported, and a ServiceAccount of its own.
@QuarkusTest
@TestProfile(DeadLetterIT.Exported.class)
class DeadLetterIT {
  private static final String FUNCTIONS = "http://functions.chaperone.svc.cluster.local";
  private static final String USER = "system:serviceaccount:chaperone:dead-letters";

  private Installation chaperone;

  /// As in the environment of that Service.
  public static final class Exported implements OnItsOwnLab {
    @Override
    public Map<String, String> getConfigOverrides() {
      return Map.of("quarkus.funqy.export", "deadLetter");
    }

    @Override
    public Map<String, String> lab() {
      return Map.of("serviceAccount", "dead-letters");
    }
  }

  @Test
  void an_event_that_was_given_up_is_told_once_on_each_companion_it_concerns() {
    try (Scene scene = new Scene(chaperone, "lost", 0).withCompanion("{}");
        Scene other = new Scene(chaperone, "lost-other", 0).withCompanion("{}")) {
      Instant before = Instant.now().truncatedTo(ChronoUnit.MICROS);
      HttpRequest.Builder letter =
          changed("DaemonSet", "lost", "target", "503", "Cannot read Companions: no answer\n");

      assertThat(post(letter)).isEqualTo(204);
      assertThat(post(letter)).isEqualTo(204);

      assertThat(told(scene))
          .singleElement()
          .satisfies(
              event -> {
                assertThat(event.getType()).isEqualTo("Warning");
                assertThat(event.getReason()).isEqualTo("EventLost");
                assertThat(event.getInvolvedObject().getUid())
                    .isEqualTo(scene.companion().getMetadata().getUid());
                assertThat(event.getMessage())
                    .contains("dev.knative.apiserver.ref.update")
                    .contains("answered 503 by " + FUNCTIONS)
                    .contains("Cannot read Companions: no answer")
                    .contains("The next resync repairs it");
              });
      assertThat(told(other)).isEmpty();
      assertThat(lastLost()).isBetween(before, Instant.now());
    }
  }

  @Test
  void the_event_of_a_hold_is_told_on_the_companion_that_the_hold_names() {
    try (Scene scene = new Scene(chaperone, "lost-hold", 0).withCompanion("{}")) {
      scene.hold("rebuild");

      assertThat(post(changed("Hold", "lost-hold", "rebuild", "503", "no answer"))).isEqualTo(204);

      assertThat(told(scene))
          .singleElement()
          .satisfies(event -> assertThat(event.getReason()).isEqualTo("EventLost"));
    }
  }

  @Test
  void the_event_of_a_node_is_told_on_every_companion() {
    try (Scene scene = new Scene(chaperone, "lost-node", 0).withCompanion("{}")) {
      assertThat(post(changed("Node", "", "a-node", "503", "no answer"))).isEqualTo(204);

      assertThat(told(scene))
          .singleElement()
          .satisfies(event -> assertThat(event.getReason()).isEqualTo("EventLost"));
    }
  }

  @Test
  void a_hold_that_was_refused_is_told_on_the_companion_that_it_names() {
    try (Scene scene = new Scene(chaperone, "refused", 0).withCompanion("{}")) {
      Instant before = lastLost();

      assertThat(post(hold("refused/agent"))).isEqualTo(204);

      assertThat(told(scene))
          .singleElement()
          .satisfies(
              event -> {
                assertThat(event.getReason()).isEqualTo("EventRefused");
                assertThat(event.getMessage())
                    .contains("answered 401")
                    .contains("needs a bearer token")
                    .contains("send it again");
              });
      assertThat(lastLost()).isEqualTo(before);
    }
  }

  @Test
  void a_pulse_concerns_everyone_and_a_signal_those_who_listen() {
    try (Scene deaf = new Scene(chaperone, "deaf", 0).withCompanion("{}");
        Scene listening = new Scene(chaperone, "listening", 0)) {
      chaperone
          .lab()
          .apply(
              """
          apiVersion: chaperone.dev/v1alpha1
          kind: Companion
          metadata: {name: agent, namespace: listening}
          spec:
            targetRef: {name: target}
            signals: [{type: com.example.rebuild, holdWhen: "true", ttl: 1h}]
          """);

      assertThat(post(letter("com.example.rebuild", "500", ""))).isEqualTo(204);
      assertThat(told(listening)).hasSize(1);
      assertThat(told(deaf)).isEmpty();

      assertThat(post(letter("dev.knative.sources.ping", "503", ""))).isEqualTo(204);
      assertThat(told(listening)).hasSize(2);
      assertThat(told(deaf)).hasSize(1);
    }
  }

  @Test
  void what_concerns_nobody_and_what_says_nothing_is_only_in_the_log() {
    List<ApiCall> before = writes();

    assertThat(post(letter("com.example.unknown", "400", "nobody wants it"))).isEqualTo(204);
    assertThat(post(hold("nobody/nothing"))).isEqualTo(204);
    assertThat(post(hold("no companion at all"))).isEqualTo(204);
    assertThat(post(chaperone.event("dev.knative.apiserver.ref.update"))).isEqualTo(204);

    assertThat(writes()).isEqualTo(before);
  }

  @Test
  void made_up_types_are_told_once_and_cost_little() {
    try (Scene scene = new Scene(chaperone, "made-up", 0).withCompanion("{}")) {
      int before = calls();
      long began = System.nanoTime();
      try (ExecutorService senders = Executors.newFixedThreadPool(50)) {
        for (int i = 0; i < 1000; i++) {
          HttpRequest.Builder letter =
              letter("dev.knative.apiserver.made-up-" + i, "503", "no answer")
                  .header("ce-kind", "DaemonSet")
                  .header("ce-namespace", "made-up")
                  .header("ce-name", "target");
          senders.execute(() -> post(letter));
        }
      }
      double seconds = (System.nanoTime() - began) / 1e9;
      int calls = calls() - before;
      System.out.printf("DeadLetterIT: 1000 in %.1f s: %d calls%n", seconds, calls);

      assertThat(told(scene)).hasSize(1);
      // 20 in each second, of which there is one more than have passed, and 3 calls for each.
      assertThat(calls).isLessThan((int) (60 * (seconds + 2)));
      await()
          .atMost(Scene.LONG)
          .until(() -> post(changed("DaemonSet", "made-up", "target", "400", "no")) == 204);
      assertThat(told(scene)).hasSize(2);
    }
  }

  private int calls() {
    return (int) chaperone.lab().apiCalls().stream().filter(it -> it.user().equals(USER)).count();
  }

  @Test
  void with_the_api_server_away_it_is_to_be_sent_again() {
    try (Scene scene = new Scene(chaperone, "away", 0).withCompanion("{}")) {
      ServerProcess apiServer = chaperone.lab().apiServerProcess();
      apiServer.stop();
      try {
        assertThat(post(hold("away/agent"))).isEqualTo(503);
      } finally {
        apiServer.start();
      }
      await().atMost(Scene.LONG).until(() -> post(hold("away/agent")) == 204);
      assertThat(told(scene)).hasSize(1);
    }
  }

  private HttpRequest.Builder changed(
      String kind, String namespace, String name, String code, String answer) {
    return letter("dev.knative.apiserver.ref.update", code, answer)
        .header("ce-kind", kind)
        .header("ce-namespace", namespace)
        .header("ce-name", name);
  }

  private HttpRequest.Builder hold(String companion) {
    return letter("dev.chaperone.hold", "401", "it needs a bearer token, and has none\n")
        .header("content-type", "application/json")
        .POST(BodyPublishers.ofString("{\"companion\": \"%s\"}".formatted(companion)));
  }

  /// As Knative sends what it gives up.
  private HttpRequest.Builder letter(String type, String code, String answer) {
    byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
    return chaperone
        .event(type)
        .header("ce-knativeerrordest", FUNCTIONS)
        .header("ce-knativeerrorcode", code)
        .header("ce-knativeerrordata", Base64.getEncoder().encodeToString(bytes));
  }

  private int post(HttpRequest.Builder letter) {
    return chaperone.post(letter).statusCode();
  }

  private List<Event> told(Scene scene) {
    return chaperone.lab().client().v1().events().inNamespace(scene.name).list().getItems().stream()
        .filter(it -> it.getInvolvedObject().getKind().equals("Companion"))
        .toList();
  }

  /// When an event was lost last, for alerts.
  private Instant lastLost() {
    return Optional.ofNullable(
            chaperone
                .lab()
                .client()
                .leases()
                .inNamespace("chaperone")
                .withName("chaperone-events-lost")
                .get()
                .getSpec())
        .map(LeaseSpec::getRenewTime)
        .map(ZonedDateTime::toInstant)
        .orElse(Instant.EPOCH);
  }

  private List<ApiCall> writes() {
    return chaperone.lab().apiCalls().stream()
        .filter(it -> it.user().equals(USER) && it.verb().equals("create"))
        .toList();
  }
}
