package dev.chaperone.functions;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.function.Function;
import java.util.function.ToIntFunction;
import org.jboss.logging.MDC;

/// The same for several Companions, a few at a time: one that hangs does not delay the others by
/// more than its own turn.
final class Several {
  private Several() {}

  /// Begins them in their order, and waits for all.
  ///
  /// @param atOnce how many at the same time
  /// @param each must not throw
  /// @return the results, in the same order
  static <T, R> List<R> map(Collection<T> all, int atOnce, Function<T, R> each) {
    return map(all, atOnce, _ -> 1, each);
  }

  /// The same for those that do not take the same room.
  ///
  /// @param room how much there is for all at the same time
  /// @param size how much of it one takes
  static <T, R> List<R> map(
      Collection<T> all, int room, ToIntFunction<T> size, Function<T, R> each) {
    if (all.size() == 1) {
      return List.of(each.apply(all.iterator().next()));
    }
    Map<String, Object> logged = MDC.getMap();
    Semaphore free = new Semaphore(room);
    List<Future<R>> results = new ArrayList<>();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (T one : all) {
        int taken = size.applyAsInt(one);
        free.acquireUninterruptibly(taken);
        results.add(
            threads.submit(
                () -> {
                  try {
                    logged.forEach(MDC::put);
                    return each.apply(one);
                  } finally {
                    free.release(taken);
                  }
                }));
      }
    }
    return results.stream().map(Future::resultNow).toList();
  }
}
