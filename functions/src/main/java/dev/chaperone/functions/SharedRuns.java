package dev.chaperone.functions;

import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.Unavailable;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Occasion;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/// Runs for one Companion: one after the other, and one for all events that arrived before it
/// began, because it reads what each of them would have.
final class SharedRuns<T> {
  /// One run, for everything that happened since the last began.
  interface Run<T> {
    Optional<T> run(Occasion occasion);
  }

  private final Map<CompanionRef, Queue<T>> queues = new ConcurrentHashMap<>();

  /// Does the run, or waits for one that begins after this call.
  ///
  /// @return what the run gave, to the one caller who did it; nothing to those who shared it
  /// @throws Unavailable when the deadline passes first, or the shared run ended so
  Optional<T> share(CompanionRef ref, Occasion occasion, Deadline deadline, Run<T> run) {
    Queue<T> queue =
        queues.compute(
            ref,
            (key, existing) -> {
              Queue<T> joined = existing == null ? new Queue<>() : existing;
              joined.users++;
              return joined;
            });
    try {
      return queue.share(ref, occasion, deadline, run);
    } finally {
      queues.computeIfPresent(ref, (key, left) -> --left.users == 0 ? null : left);
    }
  }

  private static final class Queue<T> {
    /// Guarded by the map.
    private int users;

    private final ReentrantLock running = new ReentrantLock(true);
    private final Object arrivals = new Object();
    private long arrived;
    private @Nullable Occasion waiting;

    /// Guarded by `running`: arrivals up to this one have had their run.
    private long served;

    private @Nullable Unavailable failure;

    Optional<T> share(CompanionRef ref, Occasion occasion, Deadline deadline, Run<T> run) {
      long mine;
      synchronized (arrivals) {
        mine = ++arrived;
        waiting = waiting == null ? occasion : waiting.and(occasion);
      }
      enter(ref, deadline);
      try {
        if (served >= mine) {
          if (failure != null) {
            throw failure;
          }
          return Optional.empty();
        }
        Occasion all;
        synchronized (arrivals) {
          served = arrived;
          all = waiting == null ? occasion : waiting;
          waiting = null;
        }
        failure = null;
        return run.run(all);
      } catch (Unavailable e) {
        failure = e;
        throw e;
      } finally {
        running.unlock();
      }
    }

    private void enter(CompanionRef ref, Deadline deadline) {
      try {
        if (running.tryLock(deadline.left().toMillis(), TimeUnit.MILLISECONDS)) {
          return;
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      throw new Unavailable("Other events for Companion " + ref + " took too long");
    }
  }
}
