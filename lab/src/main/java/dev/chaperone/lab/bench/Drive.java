package dev.chaperone.lab.bench;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.knative.ApiServerSource;
import java.time.Duration;

/// What wakes the functions in a real cluster: the real ApiServerSource adapters, and the pulse,
/// every minute as long as something is pending.
final class Drive implements AutoCloseable {
  private static final Duration PULSE = Duration.ofMinutes(1);

  /// As triggers/delivery has the Broker send an event again.
  private static final int RETRIES = 8;

  private static final Duration FIRST_RETRY = Duration.ofSeconds(1);

  private final ApiServerSource sources;
  private final Thread pulse;

  private Drive(ApiServerSource sources, Thread pulse) {
    this.sources = sources;
    this.pulse = pulse;
  }

  static Drive start(Lab lab, Functions functions) {
    return new Drive(
        ApiServerSource.start(
            lab, functions.address(), Contender.home().resolve("triggers/base/sources.yaml")),
        Thread.ofVirtual().start(() -> beat(functions)));
  }

  private static void beat(Functions functions) {
    try {
      while (true) {
        Thread.sleep(PULSE);
        for (int retries = 0; retries <= RETRIES && !pulse(functions); retries++) {
          Thread.sleep(FIRST_RETRY.multipliedBy(1L << retries));
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static boolean pulse(Functions functions) {
    try {
      functions.pulse().await();
      return true;
    } catch (RuntimeException e) {
      Progress.say("  ... a pulse was not answered well: " + e.getMessage());
      return false;
    }
  }

  /// Memory of all adapters together, one process for each source.
  static long residentKib() {
    return ProcessHandle.current()
        .descendants()
        .filter(Drive::isAdapter)
        .mapToLong(ChildJvm::residentKib)
        .sum();
  }

  private static boolean isAdapter(ProcessHandle process) {
    return process
        .info()
        .commandLine()
        .filter(it -> it.contains("apiserver_receive_adapter"))
        .isPresent();
  }

  @Override
  public void close() {
    pulse.interrupt();
    sources.close();
  }
}
