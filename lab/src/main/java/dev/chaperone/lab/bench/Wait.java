package dev.chaperone.lab.bench;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/// Waiting, with progress, for what another process does.
final class Wait {
  private static final long LOOK_AGAIN_MILLIS = 50;
  private static final Duration PROGRESS = Duration.ofSeconds(10);

  private Wait() {}

  /// @param progress said every ten seconds
  /// @throws WrongResult if it is not so in time
  static void until(String what, Duration atMost, BooleanSupplier so, Supplier<String> progress) {
    long began = System.nanoTime();
    long said = began;
    while (!so.getAsBoolean()) {
      long now = System.nanoTime();
      if (now - began > atMost.toNanos()) {
        throw new WrongResult(
            "not seen within %d s: %s (%s)".formatted(atMost.toSeconds(), what, progress.get()));
      }
      if (now - said > PROGRESS.toNanos()) {
        said = now;
        Progress.say(
            "  ... %s: %s, after %d s"
                .formatted(what, progress.get(), (now - began) / 1_000_000_000));
      }
      pause(LOOK_AGAIN_MILLIS);
    }
  }

  static void pause(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new WrongResult("interrupted");
    }
  }
}
