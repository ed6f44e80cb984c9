package dev.chaperone.cluster;

import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/// Calls to the API server at the same time, each on a thread of its own, that ends with the block
/// it was opened in.
final class Parallel implements AutoCloseable {
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

  /// A result that may still be on its way.
  record Result<T extends @Nullable Object>(Future<T> future) {}

  <T extends @Nullable Object> Result<T> run(Callable<T> call) {
    return new Result<>(threads.submit(call));
  }

  /// Waits for the result.
  ///
  /// @throws RuntimeException what the call threw
  <T extends @Nullable Object> T result(Result<T> result) {
    try {
      return result.future().get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new CompletionException(e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Unavailable("Interrupted", e);
    }
  }

  /// Waits for the result no longer than this; a call that has not ended by then is given up.
  <T> Optional<T> resultBefore(Deadline deadline, Result<T> result) {
    try {
      return Optional.of(
          result.future().get(Math.max(0, deadline.left().toNanos()), TimeUnit.NANOSECONDS));
    } catch (ExecutionException | TimeoutException e) {
      result.future().cancel(true);
      return Optional.empty();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Unavailable("Interrupted", e);
    }
  }

  @Override
  public void close() {
    threads.close();
  }
}
