package dev.chaperone.cluster;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BiFunction;
import java.util.function.BinaryOperator;
import org.jboss.logging.MDC;
import org.jspecify.annotations.Nullable;

/// Runs for one subject: one after the other, and one for all who asked before it began, because it
/// reads what each of them would have.
///
/// A run that had to wait has as long as the longest deadline of those that share it: the first of
/// them has used up much of its own time. A caller that cannot wait for its end gets an error, and
/// the run continues for the others.
///
/// @param <K> the subject
/// @param <A> what is asked for
/// @param <T> what comes of it
public final class SharedRuns<K, A, T> {
  private final BinaryOperator<A> and;
  private final Duration pause;

  /// Only subjects with a run.
  private final Map<K, Queue<A, T>> queues = new ConcurrentHashMap<>();

  /// @param and joins what two ask for
  /// @param pause after a run that was shared, in which those gather who ask next
  public SharedRuns(BinaryOperator<A> and, Duration pause) {
    this.and = and;
    this.pause = pause;
  }

  /// What came of a run.
  ///
  /// @param own whether this caller, and no other of those that share it, reports it
  public record Outcome<T>(T result, boolean own) {}

  /// Does the run, or waits for one that begins after this call.
  ///
  /// @param run gets what all who share it ask for, and how long it may take
  /// @throws Unavailable when the deadline passes first
  /// @throws RuntimeException what the run threw
  public Outcome<T> share(K subject, A ask, Deadline deadline, BiFunction<A, Deadline, T> run) {
    Turn<A, T> mine = new Turn<>(ask, deadline);
    queues.compute(
        subject,
        (_, running) -> {
          if (running == null) {
            mine.isFirst = true;
            return new Queue<>();
          }
          Turn<A, T> next = running.next == null ? mine : running.next;
          if (next != mine) {
            next.ask = and.apply(next.ask, ask);
            next.deadline = next.deadline.orLater(deadline);
            next.shared = true;
          }
          // It is a child of this thread, which is what its part of a trace belongs to.
          Map<String, Object> logged = MDC.getMap();
          next.runner =
              Thread.ofVirtual()
                  .unstarted(
                      () -> {
                        logged.forEach(MDC::put);
                        take(next, subject, run);
                      });
          running.next = next;
          mine.joined = next;
          return running;
        });
    if (mine.isFirst) {
      take(mine, subject, run);
    }
    return await(mine.joined, subject, deadline);
  }

  private void take(Turn<A, T> turn, K subject, BiFunction<A, Deadline, T> run) {
    try {
      if (!turn.deadline.left().isPositive()) {
        throw late(subject);
      }
      turn.result.complete(run.apply(turn.ask, turn.deadline));
      if (turn.shared) {
        Thread.sleep(pause);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException | Error e) {
      turn.result.completeExceptionally(e);
    } finally {
      queues.computeIfPresent(subject, (_, queue) -> queue.beginNext() ? queue : null);
    }
  }

  private static <K, A, T> Outcome<T> await(Turn<A, T> turn, K subject, Deadline deadline) {
    try {
      T result = turn.result.get(Math.max(0, deadline.left().toMillis()), TimeUnit.MILLISECONDS);
      return new Outcome<>(result, turn.told.compareAndSet(false, true));
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new IllegalStateException(e.getCause());
    } catch (TimeoutException e) {
      throw late(subject);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw late(subject);
    }
  }

  private static <K> Unavailable late(K subject) {
    return new Unavailable("Other events for " + subject + " took too long");
  }

  /// Guarded by the map.
  private static final class Queue<A, T> {
    /// The run that has not begun.
    private @Nullable Turn<A, T> next;

    boolean beginNext() {
      Turn<A, T> begun = next;
      next = null;
      if (begun == null || begun.runner == null) {
        return false;
      }
      begun.runner.start();
      return true;
    }
  }

  /// A run that has not ended. Guarded by the map until it begins, but for its result.
  private static final class Turn<A, T> {
    private final CompletableFuture<T> result = new CompletableFuture<>();
    private final AtomicBoolean told = new AtomicBoolean();
    private A ask;
    private Deadline deadline;
    private boolean isFirst;
    private boolean shared;
    private @Nullable Thread runner;

    /// The turn of who was first to ask for it.
    private Turn<A, T> joined = this;

    Turn(A ask, Deadline deadline) {
      this.ask = ask;
      this.deadline = deadline;
    }
  }
}
