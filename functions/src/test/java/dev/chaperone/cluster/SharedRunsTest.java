package dev.chaperone.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class SharedRunsTest {
  private static final Duration LONG = Duration.ofMinutes(1);

  private final AtomicInteger joined = new AtomicInteger();
  private final SharedRuns<String, Integer, Integer> runs =
      new SharedRuns<>(
          (one, other) -> {
            joined.incrementAndGet();
            return one + other;
          },
          Duration.ofMillis(1));
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final List<Integer> asked = new ArrayList<>();
  private final CountDownLatch first = new CountDownLatch(1);

  @AfterEach
  void end() {
    first.countDown();
    threads.close();
  }

  @Test
  void all_who_ask_during_a_run_share_the_next() throws Exception {
    Future<SharedRuns.Outcome<Integer>> running = runTheFirst();
    List<Future<SharedRuns.Outcome<Integer>>> waiting = askDuringTheFirst(20, this::sum);

    first.countDown();

    assertThat(running.get()).isEqualTo(new SharedRuns.Outcome<>(1000, true));
    List<SharedRuns.Outcome<Integer>> outcomes = new ArrayList<>();
    for (var it : waiting) {
      outcomes.add(it.get());
    }
    assertThat(asked).containsExactly(1000, 20);
    assertThat(outcomes).allMatch(it -> it.result() == 20);
    assertThat(outcomes).filteredOn(it -> it.own()).hasSize(1);
  }

  @Test
  void who_shares_a_run_shares_its_failure() throws Exception {
    Future<SharedRuns.Outcome<Integer>> running = runTheFirst();
    List<Future<SharedRuns.Outcome<Integer>>> waiting =
        askDuringTheFirst(
            3,
            (_, _) -> {
              throw new Unavailable("away");
            });

    first.countDown();

    running.get();
    for (var it : waiting) {
      assertThatThrownBy(it::get)
          .isInstanceOf(ExecutionException.class)
          .hasCauseInstanceOf(Unavailable.class);
    }
    assertThat(ask("agent", this::sum).get().result()).isEqualTo(1);
  }

  @Test
  void who_waits_too_long_is_told_and_holds_nobody_up() throws Exception {
    Future<SharedRuns.Outcome<Integer>> running = runTheFirst();

    assertThatThrownBy(() -> runs.share("agent", 1, Deadline.in(Duration.ofMillis(50)), this::sum))
        .isInstanceOf(Unavailable.class)
        .hasMessageContaining("agent");

    first.countDown();
    running.get();
    assertThat(ask("agent", this::sum).get()).isEqualTo(new SharedRuns.Outcome<>(1, true));
  }

  @Test
  void a_run_that_waited_has_the_time_of_who_can_wait_longest() throws Exception {
    Future<SharedRuns.Outcome<Integer>> running = runTheFirst();
    Deadline early = Deadline.in(Duration.ofMillis(200));
    Deadline late = Deadline.in(LONG);
    List<Deadline> given = new ArrayList<>();
    BiFunction<Integer, Deadline, Integer> run =
        (all, deadline) -> {
          given.add(deadline);
          return sum(all, deadline);
        };
    Future<SharedRuns.Outcome<Integer>> impatient =
        threads.submit(() -> runs.share("agent", 1, early, run));
    assertThatThrownBy(impatient::get).hasCauseInstanceOf(Unavailable.class);
    Future<SharedRuns.Outcome<Integer>> patient =
        threads.submit(() -> runs.share("agent", 1, late, run));
    await().atMost(LONG).until(() -> joined.get() == 1);
    // Asked last, and has the least time.
    assertThatThrownBy(() -> runs.share("agent", 1, early, run)).isInstanceOf(Unavailable.class);

    first.countDown();

    running.get();
    assertThat(patient.get()).isEqualTo(new SharedRuns.Outcome<>(3, true));
    assertThat(given).containsExactly(late);
  }

  @Test
  void runs_for_others_do_not_wait() throws Exception {
    Future<SharedRuns.Outcome<Integer>> running = runTheFirst();

    assertThat(ask("other", this::sum).get()).isEqualTo(new SharedRuns.Outcome<>(1, true));
    assertThat(running).isNotDone();
  }

  /// A run that goes on until the latch opens.
  private Future<SharedRuns.Outcome<Integer>> runTheFirst() {
    var running =
        threads.submit(
            () ->
                runs.share(
                    "agent",
                    1000,
                    Deadline.in(LONG),
                    (all, deadline) -> {
                      int sum = sum(all, deadline);
                      await().atMost(LONG).until(() -> first.getCount() == 0);
                      return sum;
                    }));
    await().atMost(LONG).until(() -> asked().size() == 1);
    return running;
  }

  private List<Future<SharedRuns.Outcome<Integer>>> askDuringTheFirst(
      int callers, BiFunction<Integer, Deadline, Integer> run) {
    var waiting = IntStream.range(0, callers).mapToObj(_ -> ask("agent", run)).toList();
    await().atMost(LONG).until(() -> joined.get() == callers - 1);
    return waiting;
  }

  private Future<SharedRuns.Outcome<Integer>> ask(
      String subject, BiFunction<Integer, Deadline, Integer> run) {
    return threads.submit(() -> runs.share(subject, 1, Deadline.in(LONG), run));
  }

  private synchronized int sum(int all, Deadline deadline) {
    asked.add(all);
    return all;
  }

  private synchronized List<Integer> asked() {
    return List.copyOf(asked);
  }
}
