package dev.chaperone.lab.programs;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/// One run of the real kubectl, for commands that take long, such as a drain that waits for a
/// budget; or of helm, or of a script that calls kubectl.
public final class Kubectl implements AutoCloseable {
  private final String program;
  private final List<String> arguments;
  private final long begin = System.nanoTime();
  private final Process process;
  private final Captured out;
  private final Captured err;

  /// Starts it.
  ///
  /// @param command the program, and what comes before the arguments in any case
  public Kubectl(List<String> command, List<String> arguments, Map<String, String> environment) {
    this.program = Path.of(command.getLast()).getFileName().toString();
    this.arguments = arguments;
    ProcessBuilder builder = new ProcessBuilder(new ArrayList<>(command));
    builder.command().addAll(arguments);
    builder.environment().putAll(environment);
    try {
      process = builder.start();
    } catch (IOException e) {
      throw new LabFailure(program + " could not be started", e);
    }
    out = new Captured(process.getInputStream());
    err = new Captured(process.getErrorStream());
  }

  /// What `kubectl apply -k` would apply, as YAML. That needs no cluster. Where the lab was never
  /// built it takes the kubectl of this machine, if there is one.
  ///
  /// @throws AssertionError with kubectl's words, if the folder is no kustomization
  /// @throws LabFailure if there is no kubectl and none can be built
  public static String kustomize(Path folder) {
    Binaries binaries = new Binaries();
    boolean own = binaries.has(Binaries.Module.CONTROLPLANE) || !isOnThePath();
    List<String> command =
        own
            ? List.of(binaries.program(Binaries.Module.CONTROLPLANE).toString(), "kubectl")
            : List.of("kubectl");
    List<String> arguments = List.of("kustomize", folder.toAbsolutePath().toString());
    try (Kubectl run = new Kubectl(command, arguments, Map.of())) {
      return run.await(Duration.ofMinutes(1)).orFail().out();
    }
  }

  /// The same of a Helm chart, which is built first if this machine does not have helm.
  ///
  /// @param arguments of `helm template`
  public static Result template(String... arguments) {
    List<String> command = List.of(new Binaries().program(Binaries.Module.HELM).toString());
    List<String> all = Stream.concat(Stream.of("template"), Stream.of(arguments)).toList();
    try (Kubectl run = new Kubectl(command, all, Map.of())) {
      return run.await(Duration.ofMinutes(1));
    }
  }

  private static boolean isOnThePath() {
    return Stream.of(System.getenv().getOrDefault("PATH", "").split(File.pathSeparator, -1))
        .anyMatch(folder -> Files.isExecutable(Path.of(folder, "kubectl")));
  }

  /// How a run ended.
  public record Result(String program, int exit, String out, String err, Duration took) {
    /// This, if it went well.
    ///
    /// @throws AssertionError with the program's words, if it failed
    public Result orFail() {
      if (exit != 0) {
        throw new AssertionError(program + " ended with " + exit + ": " + err + out);
      }
      return this;
    }
  }

  /// What it has written to standard output so far.
  public String out() {
    return out.text();
  }

  /// What it has written to standard error so far.
  public String err() {
    return err.text();
  }

  /// Whether it has not ended yet.
  public boolean isRunning() {
    return process.isAlive();
  }

  /// Waits for its end.
  ///
  /// @throws LabFailure if it is still running then; it goes on running
  public Result await(Duration atMost) {
    try {
      if (!process.waitFor(atMost.toMillis(), TimeUnit.MILLISECONDS)) {
        throw new LabFailure(
            "%s %s is still running after %s: %s%s"
                .formatted(program, String.join(" ", arguments), atMost, out(), err()));
      }
      Duration took = Duration.ofNanos(System.nanoTime() - begin);
      return new Result(program, process.exitValue(), out.all(), err.all(), took);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("Interrupted while waiting for " + program, e);
    }
  }

  /// Ends it, if it is still running.
  public void destroy() {
    process.destroy();
  }

  /// The same as [#destroy()].
  @Override
  public void close() {
    destroy();
  }

  private static final class Captured {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final Thread reader;

    Captured(InputStream stream) {
      reader =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try (stream) {
                      stream.transferTo(bytes);
                    } catch (IOException _) {
                      // the process was destroyed, and what it wrote before is here
                    }
                  });
    }

    String text() {
      return bytes.toString(StandardCharsets.UTF_8);
    }

    String all() throws InterruptedException {
      reader.join();
      return text();
    }
  }
}
