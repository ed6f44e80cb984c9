package dev.chaperone.cluster;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BinaryOperator;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Runs for one subject: one after the other, and one for all who asked before it began, because it
/// reads what each of them would have.
///
/// @param <K> the subject
/// @param <A> what is asked for
/// @param <T> what comes of it
public final class SharedRuns<K, A, T> {
  private final BinaryOperator<A> and;
  private final Duration pause;
  private final Map<K, Queue<A, T>> queues = new ConcurrentHashMap<>();

  /// @param and joins what two ask for
  /// @param pause after a run that was shared, in which those gather who ask next
  public SharedRuns(BinaryOperator<A> and, Duration pause) {
    this.and = and;
    this.pause = pause;
  }

  /// What came of a run.
  ///
  /// @param own whether it is told to the one who did the run, and not to those who share it
  public record Outcome<T>(T result, boolean own) {}

  /// Does the run, or waits for one that begins after this call.
  ///
  /// @throws Unavailable when the deadline passes first
  /// @throws RuntimeException what the run threw
  public Outcome<T> share(K subject, A ask, Deadline deadline, Function<A, T> run) {
    Queue<A, T> queue =
        queues.compute(
            subject,
            (_, existing) -> {
              Queue<A, T> joined = existing == null ? new Queue<>() : existing;
              joined.users++;
              return joined;
            });
    try {
      Turn<A, T> turn;
      boolean own;
      synchronized (queue) {
        Turn<A, T> next = queue.next;
        own = next == null;
        turn = next == null ? new Turn<>(ask) : next;
        if (!own) {
          turn.ask = and.apply(turn.ask, ask);
          turn.shared = true;
        }
        queue.next = turn;
      }
      T result = own ? take(turn, queue, subject, deadline, run) : await(turn, subject, deadline);
      return new Outcome<>(result, own);
    } finally {
      queues.computeIfPresent(subject, (_, left) -> --left.users == 0 ? null : left);
    }
  }

  private T take(
      Turn<A, T> turn, Queue<A, T> queue, K subject, Deadline deadline, Function<A, T> run) {
    boolean entered = enter(queue, deadline);
    try {
      A all;
      boolean shared;
      synchronized (queue) {
        // Who asks from now on has to wait for the next.
        queue.next = null;
        all = turn.ask;
        shared = turn.shared;
      }
      if (!entered) {
        throw late(subject);
      }
      T result = run.apply(all);
      turn.result.complete(result);
      if (shared) {
        Thread.sleep(pause);
      }
      return result;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return turn.result.join();
    } catch (RuntimeException | Error e) {
      turn.result.completeExceptionally(e);
      throw e;
    } finally {
      if (entered) {
        queue.running.unlock();
      }
    }
  }

  private static boolean enter(Queue<?, ?> queue, Deadline deadline) {
    try {
      return queue.running.tryLock(deadline.left().toMillis(), TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  private static <K, A, T> T await(Turn<A, T> turn, K subject, Deadline deadline) {
    try {
      return turn.result.get(deadline.left().toMillis(), TimeUnit.MILLISECONDS);
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

  private static final class Queue<A, T> {
    /// Guarded by the map.
    private int users;

    private final ReentrantLock running = new ReentrantLock();

    /// Guarded by this: the run that has not begun.
    private @Nullable Turn<A, T> next;
  }

  /// A run that has not ended. Guarded by its queue, until it begins, but for its result.
  private static final class Turn<A, T> {
    private final CompletableFuture<T> result = new CompletableFuture<>();
    private A ask;
    private boolean shared;

    Turn(A ask) {
      this.ask = ask;
    }
  }
}
