package dev.chaperone.lab.bench;

/// What whoever waits for a long run may see of it, on standard error: the report is on standard
/// output.
final class Progress {
  private static final long BEGAN = System.nanoTime();

  private Progress() {}

  static void say(String line) {
    System.err.printf("bench %4d s  %s%n", (System.nanoTime() - BEGAN) / 1_000_000_000, line);
  }
}
