package dev.chaperone.lab.programs;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/// Waiting for what another process does, which tells nobody.
public final class Waiting {
  private static final long PAUSE_MILLIS = 25;

  private Waiting() {}

  /// Looks until it is so.
  ///
  /// @throws LabFailure what `late` says, when the time is over or the thread is interrupted
  public static void until(Duration atMost, BooleanSupplier condition, Supplier<LabFailure> late) {
    long deadline = System.nanoTime() + atMost.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw late.get();
      }
      try {
        Thread.sleep(PAUSE_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw late.get();
      }
    }
  }
}
