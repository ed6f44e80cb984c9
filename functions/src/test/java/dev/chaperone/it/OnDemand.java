package dev.chaperone.it;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Chaperone on a lab as it is shipped: with its own rights, as a program of its own.
///
/// @param log what the program writes
record OnDemand(Installation chaperone, FunctionsOnDemand functions, Path log)
    implements AutoCloseable {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));

  /// @param command of the program, by [FunctionsCommand]
  /// @param environment besides what it needs to reach the API server
  /// @param idle how long without a request until it ends
  static OnDemand start(
      Lab lab, List<String> command, Map<String, String> environment, Duration idle) {
    Chaperone.installTypesAndRights(lab, HOME);
    Map<String, String> all = new HashMap<>(environment);
    all.put("KUBECONFIG", lab.kubeconfig("chaperone", "functions").toString());
    Path log = lab.folder().resolve("functions-" + System.nanoTime() + ".log");
    FunctionsOnDemand functions = FunctionsOnDemand.start(command, all, idle, log);
    return new OnDemand(
        new Installation(lab, functions.address(), HOME.resolve("triggers/base/sources.yaml")),
        functions,
        log);
  }

  /// With the memory that the shipped limits leave for its heap: 32 % of 256 MiB. Out of memory, it
  /// ends, and the next event would start another.
  static List<String> asInItsContainer() {
    return FunctionsCommand.fastest(
        FunctionsCommand.built(HOME), "-Xmx82m", "-XX:+ExitOnOutOfMemoryError");
  }

  @Override
  public void close() {
    functions.close();
  }
}
