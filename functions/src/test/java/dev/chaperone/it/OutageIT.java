package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.programs.ServerProcess;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.Test;

/// An API server that is away, or hangs. Every post here gives up after the 20 s that a sender may
/// have to wait.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class OutageIT {
  private static final int UNAVAILABLE = 503;

  private Installation chaperone;

  @Test
  void with_the_api_server_down_the_sender_is_asked_to_send_again() {
    outage("down", ServerProcess::stop, ServerProcess::start);
  }

  @Test
  void with_the_api_server_hanging_the_sender_is_asked_to_send_again() {
    outage("hanging", ServerProcess::pause, ServerProcess::resume);
  }

  private interface Step {
    void on(ServerProcess process);
  }

  private void outage(String name, Step away, Step back) {
    try (Scene scene = new Scene(chaperone, name, 2).withCompanion("{}")) {
      await()
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.pulse();
                return scene.guardedNodes().size() == 2;
              });
      scene.hold("rebuild");

      away.on(chaperone.lab().apiServerProcess());
      HttpResponse<String> answer;
      try {
        answer = chaperone.changed("Hold", scene.name, "rebuild");
      } finally {
        back.on(chaperone.lab().apiServerProcess());
      }
      assertThat(answer.statusCode()).isEqualTo(UNAVAILABLE);
      assertThat(answer.headers().firstValue("retry-after")).isPresent();
      assertThat(answer.body()).contains("Cannot read");

      await()
          .atMost(Scene.LONG)
          .until(
              () -> chaperone.changed("Hold", scene.name, "rebuild").statusCode() != UNAVAILABLE);
      scene.awaitAllowed("agent-nodes", 0);
      scene.awaitAllowed("agent-pods", 0);
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
    }
  }
}
