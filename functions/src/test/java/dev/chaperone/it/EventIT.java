package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.controlplane.ApiCall;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// Events posted by hand: what they are answered with, and that nothing else happens.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class EventIT {
  /// A pulse tells whatever has turned meanwhile, if anything has.
  private static final List<Integer> ANSWERED = List.of(200, 204);

  private static final int BAD_REQUEST = 400;
  private static final int NO_CONTENT = 204;
  private static final String JSON = "application/json";
  private static final String STRUCTURED = "application/cloudevents+json";

  private Installation chaperone;

  /// What is wrong with an event by itself is answered without a cluster: AnswersTest has that.
  @Test
  void an_event_that_no_companion_wants_is_answered_once_and_for_all_and_changes_nothing() {
    List<ApiCall> before = chaperone.writes();

    HttpResponse<String> answer = chaperone.post(chaperone.event("com.example.x"));

    assertThat(answer.statusCode()).isEqualTo(BAD_REQUEST);
    assertThat(answer.body()).contains("no Companion has a signal of type com.example.x");
    assertThat(chaperone.writes()).isEqualTo(before);
  }

  @Test
  void whoever_asks_for_a_page_gets_none_unless_it_is_turned_on() {
    HttpResponse<String> answer =
        chaperone.post(HttpRequest.newBuilder(chaperone.functions()).GET());

    assertThat(answer.statusCode()).isEqualTo(404);
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
        .untilAsserted(
            () -> {
              HttpResponse<String> answer = chaperone.pulse();
              assertThat(answer.statusCode()).as(answer.body()).isEqualTo(NO_CONTENT);
              assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
            });
    return scene;
  }

  /// Type and subject of the reply; empty if there was none.
  private static String replied(HttpResponse<String> answer) {
    return Stream.of("ce-type", "ce-subject")
        .flatMap(it -> answer.headers().firstValue(it).stream())
        .collect(Collectors.joining(" "));
  }
}
