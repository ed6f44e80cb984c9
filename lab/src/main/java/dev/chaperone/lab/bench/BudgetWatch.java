package dev.chaperone.lab.bench;

import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.Watch;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import java.time.Duration;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// When the guards' budget was seen to close and open: by a watch on the API server, as a drain's
/// controller would see it.
final class BudgetWatch implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final BlockingQueue<Seen> events = new LinkedBlockingQueue<>();
  private final Watch watch;

  /// @param counted whether the disruption controller has answered this spec
  private record Seen(long nanoTime, boolean closed, boolean counted) {}

  BudgetWatch(KubernetesClient client) {
    this.watch =
        client
            .policy()
            .v1()
            .podDisruptionBudget()
            .inNamespace(Fleet.NAMESPACE)
            .withName(Fleet.NODES_BUDGET)
            .watch(
                new Watcher<>() {
                  @Override
                  public void eventReceived(Action action, PodDisruptionBudget budget) {
                    events.add(seen(budget));
                  }

                  @Override
                  public void onClose(@Nullable WatcherException cause) {
                    // Whoever waits then waits in vain, and says so.
                  }
                });
  }

  /// Waits until the budget is so.
  ///
  /// @return when that was first seen, as [System#nanoTime()]
  long await(boolean closed) {
    return take(closed, false).nanoTime();
  }

  /// Waits until the disruption controller has counted for it too, so that its work is not in the
  /// way of what is measured next.
  void awaitCounted(boolean closed) {
    take(closed, true);
  }

  private Seen take(boolean closed, boolean counted) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    try {
      while (true) {
        Seen next = events.poll(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
        if (next == null) {
          throw new WrongResult(
              "the budget did not %s within %d s"
                  .formatted(closed ? "close" : "open", PATIENCE.toSeconds()));
        }
        if (next.closed() == closed && (!counted || next.counted())) {
          return next;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new WrongResult("interrupted");
    }
  }

  private static Seen seen(PodDisruptionBudget budget) {
    return new Seen(System.nanoTime(), Fleet.isClosed(budget), Fleet.isCounted(budget));
  }

  @Override
  public void close() {
    watch.close();
  }
}
