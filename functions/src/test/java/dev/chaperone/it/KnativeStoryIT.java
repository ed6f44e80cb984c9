package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpServer;
import dev.chaperone.lab.knative.Eventing;
import dev.chaperone.lab.programs.Kubectl;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.awaitility.core.ConditionTimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// The main job as users have it: source → broker → trigger → function, from the files that they
/// install, and nothing posted by hand.
@ExtendWith(OnKnative.class)
class KnativeStoryIT {
  private static final int ACCEPTED = 202;
  private static final int NO_CONTENT = 204;
  private static final Duration REPLY = Duration.ofSeconds(20);

  private final Installation chaperone;
  private final Eventing eventing;

  KnativeStoryIT(OnKnative.Chaperone installed) {
    this.chaperone = installed.installation();
    this.eventing = installed.eventing();
  }

  @Test
  void a_drain_is_held_let_through_and_its_node_guarded_again() {
    try (Scene scene = new Scene(chaperone, "knative", 3).withCompanion("{}")) {
      scene.awaitGuarded(1, 2, 3);
      scene.awaitPods("follower", 3);
      scene.awaitAllowed("agent-nodes", 1);

      scene.hold("rebuild");
      scene.awaitAllowed("agent-nodes", 0);
      scene.awaitAllowed("agent-pods", 0);
      scene.awaitCondition("DisruptionAllowed", "False Hold");
      // Until then the API server refuses evictions by policy, on which no drain waits.
      scene.awaitEnforced("rebuild");

      Kubectl first = scene.drain(1);
      Scene.awaitHeld(first);
      scene.release("rebuild");
      assertThat(first.await(Scene.LONG).exit()).isZero();
      scene.awaitGuarded(2, 3);

      Kubectl second = scene.drain(2);
      Scene.awaitHeld(second);
      // Nothing watches for a node that is uncordoned: the pulse does, every minute while a guard
      // waits.
      scene.uncordon(1);
      assertThat(second.await(Scene.LONG).exit()).isZero();
      scene.awaitGuarded(1, 3);
    }
  }

  @Test
  void a_deleted_node_takes_its_guard_along_and_an_added_one_gets_its_own() {
    try (Scene scene = new Scene(chaperone, "knative-nodes", 2).withCompanion("{}")) {
      scene.awaitGuarded(1, 2);

      scene.deleteNode(2);
      scene.awaitGuarded(1);
      scene.addNode(3);
      scene.awaitGuarded(1, 3);
    }
  }

  @Test
  void an_answer_that_turns_is_there_for_others_to_subscribe_to() throws IOException {
    List<String> told = new CopyOnWriteArrayList<>();
    HttpServer team =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    team.createContext(
        "/",
        exchange -> {
          told.add(
              exchange.getRequestHeaders().getFirst("ce-type")
                  + " "
                  + exchange.getRequestHeaders().getFirst("ce-subject"));
          exchange.getRequestBody().readAllBytes();
          exchange.sendResponseHeaders(NO_CONTENT, -1);
          exchange.close();
        });
    team.start();
    try (Scene scene = new Scene(chaperone, "knative-reply", 1).withCompanion("{}")) {
      eventing
          .router()
          .route(
              "team.knative-reply", URI.create("http://127.0.0.1:" + team.getAddress().getPort()));
      scene.awaitGuarded(1);
      chaperone
          .lab()
          .apply(
              """
          apiVersion: eventing.knative.dev/v1
          kind: Trigger
          metadata:
            name: team
            namespace: chaperone
            labels: {eventing.knative.dev/broker: chaperone}
          spec:
            broker: chaperone
            filters: [{prefix: {type: dev.chaperone.disruption.}}]
            subscriber: {uri: "http://team.knative-reply.svc.cluster.local/"}
          """);
      eventing.awaitReady();

      // Knative replaces the source's adapter for each new namespace, and its in-memory Broker then
      // drops whatever is on its way from the old one, a reply too.
      await("replies to both")
          .atMost(Scene.LONG)
          .until(
              () -> {
                told.clear();
                scene.hold("rebuild");
                scene.awaitCondition("DisruptionAllowed", "False Hold");
                boolean held = isTold(told, "dev.chaperone.disruption.held knative-reply/agent");
                scene.release("rebuild");
                scene.awaitCondition("DisruptionAllowed", "True NothingHolds");
                return held && isTold(told, "dev.chaperone.disruption.allowed knative-reply/agent");
              });
    } finally {
      chaperone.lab().kubectl("delete", "trigger", "team", "-n", "chaperone").orFail();
      team.stop(0);
    }
  }

  private static boolean isTold(List<String> told, String what) {
    try {
      await().atMost(REPLY).until(() -> told.contains(what));
      return true;
    } catch (ConditionTimeoutException e) {
      return false;
    }
  }

  @Test
  void an_event_that_is_refused_ends_as_an_event_on_the_companion_that_it_names() {
    try (Scene scene = new Scene(chaperone, "knative-dead", 1).withCompanion("{}")) {
      scene.awaitGuarded(1);

      // A Broker hands on no token, and without one nobody may hold.
      HttpResponse<String> taken =
          chaperone.post(chaperone.holdEvent("knative-dead/agent"), Scene.LONG);
      assertThat(taken.statusCode()).isEqualTo(ACCEPTED);

      await("the dead letter")
          .atMost(Scene.LONG)
          .untilAsserted(
              () ->
                  assertThat(
                          chaperone
                              .lab()
                              .kubectl("describe", "companion", "agent", "-n", scene.name)
                              .out())
                      .contains("EventRefused")
                      .contains("answered 401"));
      scene.awaitAllowed("agent-nodes", 1);
    }
  }
}
