package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Hold;
import dev.chaperone.api.HoldSpec;
import dev.chaperone.lab.PodEviction;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// How long drains still pass once a Hold is there: from the API server's answer to its creation
/// until the first eviction that is refused, for a guard that has run for long.
@ExtendWith(OnKnative.class)
class HoldGapIT {
  private static final int TIMES = Thorough.times(5, 100);

  /// Events of the functions' own writes come back within this.
  private static final Duration REST = Duration.ofSeconds(2);

  private static final long BETWEEN_EVICTIONS = TimeUnit.MILLISECONDS.toNanos(1);

  private final OnKnative.Chaperone installed;

  HoldGapIT(OnKnative.Chaperone installed) {
    this.installed = installed;
  }

  @Test
  void an_eviction_after_a_hold_is_refused_with_and_without_the_policies() {
    try (Scene scene = new Scene(installed.installation(), "gap", 2).withCompanion("{}")) {
      scene.awaitGuarded(1, 2);
      Gap gap = new Gap(scene, scene.guards().getFirst());

      gap.measure("with the admission policies", () -> {});

      installed
          .installation()
          .lab()
          .kubectl("label", "namespace", scene.name, "chaperone.dev/break-glass=true")
          .orFail();
      gap.measure("without, functions that run", this::wake);
      gap.measure("without, functions that have to start", this::sleep);
    }
  }

  private void wake() {
    if (!installed.functions().isRunning()) {
      installed.pulse();
    }
  }

  private void sleep() {
    FunctionsOnDemand functions = installed.functions();
    int[] requests = {functions.requests()};
    await("no more events")
        .atMost(Scene.LONG)
        .pollInterval(REST)
        .until(() -> requests[0] == (requests[0] = functions.requests()));
    functions.kill();
  }

  private record Gap(Scene scene, Pod guard) {
    void measure(String how, Runnable before) {
      List<Long> gaps = new ArrayList<>();
      for (int i = 0; i < TIMES; i++) {
        awaitOpen();
        before.run();
        gaps.add(once());
      }
      awaitOpen();
      Collections.sort(gaps);
      System.out.printf(
          "HoldGapIT: from a Hold to the first refused eviction, %s, %d times: p50 %.1f ms, max %.1f ms%n",
          how, TIMES, gaps.get(TIMES / 2) / 1e6, gaps.getLast() / 1e6);
    }

    /// @return nanoseconds
    private long once() {
      Hold hold = new Hold();
      hold.getMetadata().setName("gap");
      hold.getMetadata().setNamespace(scene.name);
      hold.setSpec(new HoldSpec(new HoldSpec.CompanionRef("agent"), "a test", null));
      client().resource(hold).create();
      long created = System.nanoTime();
      while (evictions().dryRun(guard) == PodEviction.PASSED) {
        assertThat(Duration.ofNanos(System.nanoTime() - created)).isLessThan(Scene.LONG);
        LockSupport.parkNanos(BETWEEN_EVICTIONS);
      }
      long gap = System.nanoTime() - created;
      scene.awaitEnforced("gap");
      scene.release("gap");
      return gap;
    }

    private void awaitOpen() {
      await("an open budget")
          .atMost(Scene.LONG)
          .until(() -> evictions().dryRun(guard) == PodEviction.PASSED);
    }

    private GuardEvictions evictions() {
      return GuardEvictions.of(scene);
    }

    private KubernetesClient client() {
      return scene.chaperone().lab().client();
    }
  }
}
