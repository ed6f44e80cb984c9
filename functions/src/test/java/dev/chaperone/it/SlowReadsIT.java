package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.net.ApiProxy;
import dev.chaperone.lab.net.ApiProxy.Exchange;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
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

  private static final int COMPANIONS = 6;

  private final Lab lab;

  SlowReadsIT(Lab lab) {
    Chaperone.installTypesAndRights(lab, HOME);
    this.lab = lab;
  }

  @Test
  void what_has_been_read_is_written() {
    try (ApiProxy proxy = ApiProxy.start(lab);
        KillableFunctions functions =
            new KillableFunctions(lab, proxy.kubeconfig("chaperone", "functions"));
        Scene scene = new Scene(functions.now(), "slow", 2)) {
      proxy.slowReads(READ);
      scene.withCompanion("{}");
      scene.awaitPods("target", 2);

      await("guards on both nodes")
          .atMost(Scene.LONG)
          .ignoreExceptionsInstanceOf(UncheckedIOException.class)
          .until(
              () -> {
                functions.now().changed("Companion", scene.name, "agent");
                return scene.guardedNodes().size() == 2;
              });
      assertThat(scene.guardedNodes()).isEqualTo(Set.of(scene.node(1), scene.node(2)));
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
        List<Future<Integer>> answers =
            IntStream.rangeClosed(1, COMPANIONS)
                .mapToObj(
                    i ->
                        senders.submit(
                            () ->
                                functions
                                    .now()
                                    .changed("Companion", scene.name, "agent-" + i)
                                    .statusCode()))
                .toList();
        for (Future<Integer> answer : answers) {
          assertThat(answer.get()).isLessThan(300);
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
}
