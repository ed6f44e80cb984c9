package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.net.ApiProxy;
import dev.chaperone.lab.net.ApiProxy.Exchange;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetSpec;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// An API server that answers every read, and so slowly that reading takes all the time that an
/// event has, as that of a large cluster may which thousands of nodes join.
@ExtendWith(LabExtension.class)
class SlowReadsIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));

  /// A look reads in four rounds at least where every node is to be read.
  private static final Duration READ = Duration.ofMillis(2700);

  /// What the answer says then.
  private static final String LATE = "Out of time before all of it was written";

  private static final int COMPANIONS = 6;

  private final Lab lab;

  SlowReadsIT(Lab lab) {
    Chaperone.installTypesAndRights(lab, HOME);
    this.lab = lab;
  }

  @Test
  void what_may_come_late_is_written_whenever_it_was_read() {
    try (ApiProxy proxy = ApiProxy.start(lab);
        KillableFunctions functions =
            new KillableFunctions(lab, proxy.kubeconfig("chaperone", "functions"));
        Scene scene = new Scene(functions.now(), "slow", 2)) {
      proxy.slowReads(READ);
      scene.withCompanion("{}");
      scene.awaitPods("target", 2);

      Set<String> answers = new TreeSet<>();
      await("guards on both nodes")
          .atMost(Scene.LONG)
          .until(
              () -> {
                answers.add(functions.now().changed("Companion", scene.name, "agent").body());
                return scene.guardedNodes().size() == 2;
              });
      assertThat(scene.guardedNodes()).isEqualTo(Set.of(scene.node(1), scene.node(2)));
      assertThat(answers).anySatisfy(it -> assertThat(it).contains(LATE));
    }
  }

  /// Somebody may have made another Hold by then. The cordoned node takes a round more.
  @Test
  void what_opens_is_not_written_on_what_was_read_too_long_ago() {
    try (ApiProxy proxy = ApiProxy.start(lab);
        KillableFunctions functions =
            new KillableFunctions(lab, proxy.kubeconfig("chaperone", "functions"));
        Scene scene = new Scene(functions.now(), "slow-hold", 2).withCompanion("{}")) {
      scene.pulseUntilGuarded();
      scene.hold("rebuild");
      functions.now().changed("Hold", scene.name, "rebuild");
      scene.awaitAllowed("agent-nodes", 0);
      PodDisruptionBudgetSpec closed = scene.budget("agent-nodes").getSpec();
      lab.kubectl("cordon", scene.node(1)).orFail();
      scene.release("rebuild");

      proxy.slowReads(READ);
      HttpResponse<String> answer = functions.now().deleted("Hold", scene.name, "rebuild");
      assertThat(answer.statusCode()).isEqualTo(503);
      assertThat(answer.body()).contains(LATE);
      assertThat(scene.budget("agent-nodes").getSpec()).isEqualTo(closed);
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
      assertThat(GuardEvictions.of(scene).dryRuns().values())
          .hasSize(2)
          .containsOnly(GuardEvictions.REFUSED);

      proxy.slowReads(Duration.ZERO);
      lab.kubectl("uncordon", scene.node(1)).orFail();
      scene.tellUntil("rebuild", "True NothingHolds");
      scene.awaitAllowed("agent-nodes", 1);
    }
  }

  /// In a large cluster each of them takes a good part of the memory.
  @Test
  void of_many_looks_two_at_a_time_have_every_node() throws Exception {
    try (ApiProxy proxy = ApiProxy.start(lab);
        KillableFunctions functions =
            new KillableFunctions(lab, proxy.kubeconfig("chaperone", "functions"));
        Scene scene = new Scene(functions.now(), "slow-many", 2)) {
      scene.daemonSet("target", "{pool: %s}".formatted(scene.name));
      scene.awaitPods("target", 2);
      for (int i = 1; i <= COMPANIONS; i++) {
        scene.companionOfTarget("agent-" + i);
      }
      proxy.slowReads(Duration.ofMillis(300));

      try (var senders = Executors.newVirtualThreadPerTaskExecutor()) {
        List<? extends Future<?>> answers =
            IntStream.rangeClosed(1, COMPANIONS)
                .mapToObj(
                    i -> senders.submit(() -> looked(functions.now(), scene.name, "agent-" + i)))
                .toList();
        for (Future<?> answer : answers) {
          answer.get();
        }
      }

      List<Exchange> ofEveryNode =
          proxy.exchanges().stream()
              .filter(it -> it.path().startsWith("/api/v1/nodes?"))
              .filter(it -> !it.path().contains("Selector"))
              .toList();
      assertThat(ofEveryNode).hasSizeGreaterThanOrEqualTo(COMPANIONS);
      assertThat(ofEveryNode)
          .allSatisfy(
              one ->
                  assertThat(ofEveryNode)
                      .filteredOn(it -> it.began() <= one.began() && one.began() < it.ended())
                      .hasSizeLessThanOrEqualTo(2));
    }
  }

  /// Sends it again where it waited too long.
  private static void looked(Installation chaperone, String namespace, String companion) {
    await(companion)
        .atMost(Scene.LONG)
        .until(() -> chaperone.changed("Companion", namespace, companion).statusCode() < 300);
  }
}
