package dev.chaperone.lab.install;

import dev.chaperone.lab.programs.WithParent;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The command that starts functions. It names the jar by its absolute path: a cache is good for
/// the same jars in another folder, too, but not for a path that is written in another way.
public final class FunctionsCommand {
  /// For a process that lives for seconds: no thread and no memory for what only pays off later.
  public static final List<String> FLAGS =
      List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData");

  private static final String CACHE = "app.aot";

  private FunctionsCommand() {}

  /// The functions that were built in a checkout.
  ///
  /// @param home the checkout
  public static Path built(Path home) {
    return home.toAbsolutePath().normalize().resolve("functions/target/quarkus-app");
  }

  /// The fastest start there is: with the cache, if functions were trained since they were built.
  ///
  /// @param functions folder of `quarkus-run.jar`
  /// @param more flags of the JVM
  public static List<String> fastest(Path functions, String... more) {
    List<String> flags = new ArrayList<>(FLAGS);
    flags.addAll(List.of(more));
    if (isTrained(functions)) {
      flags.add(useCache(functions));
    }
    return of(functions, flags);
  }

  /// A start with just these flags.
  public static List<String> of(Path functions, List<String> flags) {
    List<String> command = new ArrayList<>();
    command.add(WithParent.java());
    command.addAll(flags);
    command.addAll(List.of("-jar", jar(functions).toString()));
    return command;
  }

  /// The flag to start with the cache.
  public static String useCache(Path functions) {
    return "-XX:AOTCache=" + cache(functions);
  }

  /// Where the cache of functions is, once they were trained.
  public static Path cache(Path functions) {
    return functions.toAbsolutePath().normalize().resolve(CACHE);
  }

  private static Path jar(Path functions) {
    return functions.toAbsolutePath().normalize().resolve("quarkus-run.jar");
  }

  private static boolean isTrained(Path functions) {
    try {
      return Files.exists(cache(functions))
          && Files.getLastModifiedTime(cache(functions))
                  .compareTo(Files.getLastModifiedTime(jar(functions)))
              > 0;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
