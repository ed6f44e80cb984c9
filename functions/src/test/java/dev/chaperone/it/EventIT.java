package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.ApiCall;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Events posted by hand: what they are answered with, and that nothing else happens.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class EventIT {
  /// A pulse tells whatever has turned meanwhile, if anything has.
  private static final List<Integer> ANSWERED = List.of(200, 204);

  /// What Knative sends again (kncloudevents/retries.go).
  private static final Set<Integer> SENT_AGAIN = Set.of(404, 408, 409, 429);

  private static final int NO_CONTENT = 204;
  private static final String JSON = "application/json";
  private static final String STRUCTURED = "application/cloudevents+json";

  private Installation chaperone;

  record Bad(String what, String says, Map<String, String> headers, String body) {
    @Override
    public String toString() {
      return what;
    }
  }

  static Stream<Bad> badEvents() {
    Map<String, String> pulse =
        Map.of(
            "ce-specversion", "1.0",
            "ce-id", "1",
            "ce-source", "/by-hand",
            "ce-type", "dev.knative.sources.ping");
    Map<String, String> changed =
        with(
            with(with(pulse, "ce-type", "dev.knative.apiserver.ref.update"), "ce-kind", "Pod"),
            "ce-name",
            "a");
    return Stream.of(
        bad("no id", "ce-id", without(pulse, "ce-id"), ""),
        bad("no id, JSON", "ce-id", with(without(pulse, "ce-id"), "content-type", JSON), "{}"),
        bad("no type", "type", without(pulse, "ce-type"), ""),
        bad("no source", "source", without(pulse, "ce-source"), ""),
        bad("no specversion", "specversion", without(pulse, "ce-specversion"), ""),
        bad("another specversion", "0.9", with(pulse, "ce-specversion", "0.9"), ""),
        bad("a source that is no URI", "not a CloudEvent", with(pulse, "ce-source", "a b"), ""),
        bad("an unknown type", "com.example.x", with(pulse, "ce-type", "com.example.x"), ""),
        bad(
            "a dead letter, which only the Service for them takes",
            "nobody wants",
            with(pulse, "ce-type", "dev.chaperone.dead-letter"),
            ""),
        bad("no kind", "kind", without(changed, "ce-kind"), ""),
        bad("no name", "name", without(changed, "ce-name"), ""),
        bad("a path as a name", "name", with(changed, "ce-name", "../../secrets"), ""),
        bad("a path as a namespace", "namespace", with(changed, "ce-namespace", "a/b"), ""),
        bad("wrong JSON", "not a CloudEvent", Map.of("content-type", STRUCTURED), "{\"id\": "),
        bad(
            "JSON that is no object",
            "not a CloudEvent",
            Map.of("content-type", STRUCTURED),
            "[1]"),
        bad(
            "structured without a type",
            "not a CloudEvent",
            Map.of("content-type", STRUCTURED),
            "{\"id\": \"1\", \"specversion\": \"1.0\"}"),
        bad("structured and empty", "not a CloudEvent", Map.of("content-type", STRUCTURED), ""),
        bad(
            "an unknown content type",
            "not a CloudEvent",
            Map.of("content-type", "text/csv"),
            "a,b"),
        bad("nothing at all", "not a CloudEvent", Map.of(), ""),
        bad(
            "a batch",
            "not a CloudEvent",
            Map.of("content-type", "application/cloudevents-batch+json"),
            "[]"),
        bad("11 MB", "not a CloudEvent", with(pulse, "content-type", JSON), "x".repeat(11_000_000)),
        bad(
            "JSON a thousand levels deep and more",
            "not a CloudEvent",
            Map.of("content-type", STRUCTURED),
            "[".repeat(5000)));
  }

  @ParameterizedTest
  @MethodSource("badEvents")
  void a_bad_event_is_answered_once_and_for_all_and_changes_nothing(Bad bad) {
    List<ApiCall> before = chaperone.writes();
    HttpRequest.Builder request =
        HttpRequest.newBuilder(chaperone.functions()).POST(BodyPublishers.ofString(bad.body()));
    bad.headers().forEach(request::header);

    HttpResponse<String> answer = chaperone.post(request);

    assertThat(answer.statusCode()).isBetween(400, 499).isNotIn(SENT_AGAIN);
    assertThat(answer.body()).contains(bad.says());
    assertThat(chaperone.writes()).isEqualTo(before);
  }

  @Test
  void a_pulse_needs_no_data_and_may_have_any() {
    assertThat(chaperone.pulse().statusCode()).isIn(ANSWERED);
    assertThat(
            chaperone
                .post(
                    chaperone
                        .event("dev.knative.sources.ping")
                        .header("content-type", "text/plain")
                        .POST(BodyPublishers.ofString("tick")))
                .statusCode())
        .isIn(ANSWERED);
  }

  @Test
  void kn_func_invoke_is_a_pulse_when_it_is_told_nothing_else() {
    HttpRequest.Builder invoke =
        HttpRequest.newBuilder(chaperone.functions())
            .header("ce-specversion", "1.0")
            .header("ce-id", "1")
            .header("ce-source", "/boson/fn")
            .header("ce-type", "boson.fn")
            .header("content-type", JSON)
            .POST(BodyPublishers.ofString("{\"message\":\"Hello World\"}"));

    assertThat(chaperone.post(invoke).statusCode()).isIn(ANSWERED);
  }

  @Test
  void a_structured_event_does_the_same_as_a_binary_one() {
    HttpRequest.Builder event =
        HttpRequest.newBuilder(chaperone.functions())
            .header("content-type", STRUCTURED)
            .POST(
                BodyPublishers.ofString(
                    """
                    {"specversion": "1.0", "id": "1", "source": "/by-hand",
                     "type": "dev.knative.apiserver.ref.update",
                     "kind": "DaemonSet", "namespace": "nowhere", "name": "nothing"}
                    """));

    assertThat(chaperone.post(event).statusCode()).isEqualTo(204);
  }

  @Test
  void an_answer_that_turned_is_replied_once() {
    try (Scene scene = new Scene(chaperone, "replies", 1).withCompanion("{}")) {
      scene.awaitPods("target", 1);
      HttpResponse<String> first = chaperone.changed("Companion", scene.name, "agent");
      assertThat(first.statusCode()).isEqualTo(200);
      assertThat(first.headers().firstValue("ce-type"))
          .contains("dev.chaperone.disruption.allowed");
      scene.pulseUntilGuarded();
      scene.settle();

      scene.hold("rebuild");
      HttpResponse<String> held = chaperone.changed("Hold", scene.name, "rebuild");
      assertThat(held.headers().firstValue("ce-type")).contains("dev.chaperone.disruption.held");
      assertThat(held.headers().firstValue("ce-subject")).contains("replies/agent");
      assertThat(held.body()).contains("\"allowed\":false").contains("Hold rebuild: a test");
      assertThat(chaperone.changed("Hold", scene.name, "rebuild").statusCode()).isEqualTo(204);

      scene.release("rebuild");
      assertThat(chaperone.changed("Hold", scene.name, "rebuild").headers().firstValue("ce-type"))
          .contains("dev.chaperone.disruption.allowed");
    }
  }

  @Test
  void an_answer_whose_sender_was_gone_comes_with_the_next_event() throws IOException {
    try (Scene scene = guarded("replies-gone")) {
      scene.hold("rebuild");
      String gone =
          """
          POST / HTTP/1.1\r
          Host: functions\r
          ce-specversion: 1.0\r
          ce-id: 1\r
          ce-source: /gone\r
          ce-type: dev.knative.apiserver.ref.update\r
          ce-kind: Hold\r
          ce-namespace: replies-gone\r
          ce-name: rebuild\r
          Content-Length: 0\r
          \r
          """;
      try (Socket sender =
          new Socket(chaperone.functions().getHost(), chaperone.functions().getPort())) {
        sender.getOutputStream().write(gone.getBytes(StandardCharsets.US_ASCII));
      }
      scene.awaitCondition("DisruptionAllowed", "False Hold");

      await("the answer with a later event")
          .atMost(Scene.LONG)
          .until(
              () ->
                  replied(chaperone.changed("Hold", scene.name, "rebuild"))
                      .equals("dev.chaperone.disruption.held replies-gone/agent"));
      assertThat(chaperone.changed("Hold", scene.name, "rebuild").statusCode()).isEqualTo(204);
    }
  }

  @Test
  void each_of_several_answers_that_one_event_turned_is_replied() {
    try (Scene one = guarded("replies-one");
        Scene other = guarded("replies-other")) {
      one.hold("rebuild");
      other.hold("rebuild");

      assertThat(
              List.of(
                  replied(chaperone.pulse()),
                  replied(chaperone.changed("Companion", one.name, "agent")),
                  replied(chaperone.changed("Companion", other.name, "agent"))))
          .contains(
              "dev.chaperone.disruption.held replies-one/agent",
              "dev.chaperone.disruption.held replies-other/agent");
    }
  }

  private Scene guarded(String namespace) {
    Scene scene = new Scene(chaperone, namespace, 1).withCompanion("{}");
    scene.awaitPods("target", 1);
    scene.pulseUntilGuarded();
    await("nothing more to tell")
        .atMost(Scene.LONG)
        .until(
            () ->
                scene.condition("DisruptionAllowed").equals("True NothingHolds")
                    && chaperone.pulse().statusCode() == NO_CONTENT);
    return scene;
  }

  /// Type and subject of the reply; empty if there was none.
  private static String replied(HttpResponse<String> answer) {
    return Stream.of("ce-type", "ce-subject")
        .flatMap(it -> answer.headers().firstValue(it).stream())
        .collect(Collectors.joining(" "));
  }

  private static Bad bad(String what, String says, Map<String, String> headers, String body) {
    return new Bad(what, says, headers, body);
  }

  private static Map<String, String> with(Map<String, String> headers, String name, String value) {
    Map<String, String> more = new HashMap<>(headers);
    more.put(name, value);
    return more;
  }

  private static Map<String, String> without(Map<String, String> headers, String name) {
    Map<String, String> less = new HashMap<>(headers);
    less.remove(name);
    return less;
  }
}
