package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.controlplane.ApiCall;
import dev.chaperone.lab.knative.ApiServerSource;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.time.Duration;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;

/// What an event costs when there is nothing to do, counted in the API server's own audit log.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class IdempotenceIT {
  private Installation chaperone;

  @Test
  void a_second_event_with_nothing_to_change_writes_nothing() {
    try (Scene scene = new Scene(chaperone, "no-op", 3).withCompanion("{}")) {
      settle(scene);
      scene.hold("rebuild");
      assertThat(chaperone.changed("Hold", scene.name, "rebuild").statusCode()).isEqualTo(200);
      List<ApiCall> before = chaperone.writes();

      assertThat(chaperone.changed("Hold", scene.name, "rebuild").statusCode()).isEqualTo(204);
      assertThat(chaperone.changed("DaemonSet", scene.name, "target").statusCode()).isEqualTo(204);
      assertThat(chaperone.changed("DaemonSet", scene.name, "follower").statusCode())
          .isEqualTo(204);
      assertThat(chaperone.changed("Node", "", scene.node(1)).statusCode()).isEqualTo(204);
      assertThat(chaperone.changed("Companion", scene.name, "agent").statusCode()).isEqualTo(204);
      assertThat(chaperone.pulse().statusCode()).isEqualTo(204);

      assertThat(chaperone.writes()).isEqualTo(before);
    }
  }

  @Test
  void own_writes_come_back_as_events_and_end_there() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = new Scene(chaperone, "no-loop", 3).withCompanion("{}")) {
      scene.awaitGuarded(1, 2, 3);
      scene.hold("rebuild");
      scene.awaitAllowed("agent-nodes", 0);
      scene.release("rebuild");
      scene.awaitAllowed("agent-nodes", 1);

      // An endless loop never pauses, and needs a write to go on. Reads prove nothing: heartbeats
      // of
      // nodes and the ends of other tests are events too.
      await("no more writes")
          .atMost(Scene.LONG)
          .during(Duration.ofSeconds(5))
          .pollInterval(Duration.ofSeconds(5))
          .until(new Unchanged<>(() -> writes(scene))::holds);
    }
  }

  private long writes(Scene scene) {
    return chaperone.writes().stream().filter(it -> it.namespace().equals(scene.name)).count();
  }

  private void settle(Scene scene) {
    await()
        .atMost(Scene.LONG)
        .until(
            () -> {
              chaperone.pulse();
              return scene.guardedNodes().size() == 3
                  && scene.condition("Guarded").equals("True EveryNodeGuarded");
            });
    await("no more to settle")
        .atMost(Scene.LONG)
        .until(
            () -> {
              int before = chaperone.writes().size();
              chaperone.pulse();
              return chaperone.writes().size() == before;
            });
  }

  /// Whether a value is what it was when last asked.
  private static final class Unchanged<T> {
    private final Supplier<T> value;
    private T last;

    Unchanged(Supplier<T> value) {
      this.value = value;
      this.last = value.get();
    }

    boolean holds() {
      T before = last;
      last = value.get();
      return last.equals(before);
    }
  }
}
