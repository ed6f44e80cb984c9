package dev.chaperone.lab;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/// Waiting for what another process does, which tells nobody.
final class Waiting {
  private static final long PAUSE_MILLIS = 25;

  private Waiting() {}

  /// @throws LabFailure what `late` says, when the time is over or the thread is interrupted
  static void until(Duration atMost, BooleanSupplier condition, Supplier<LabFailure> late) {
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
