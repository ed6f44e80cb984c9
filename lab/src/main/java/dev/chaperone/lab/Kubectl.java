package dev.chaperone.lab;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// One run of the real kubectl, for commands that take long, such as a drain that waits for a
/// budget.
public final class Kubectl implements AutoCloseable {
  private final List<String> arguments;
  private final long begin = System.nanoTime();
  private final Process process;
  private final Captured out;
  private final Captured err;

  Kubectl(List<String> command, List<String> arguments, Map<String, String> environment) {
    this.arguments = arguments;
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.command().addAll(arguments);
    builder.environment().putAll(environment);
    try {
      process = builder.start();
    } catch (IOException e) {
      throw new LabFailure("kubectl could not be started", e);
    }
    out = new Captured(process.getInputStream());
    err = new Captured(process.getErrorStream());
  }

  /// What `kubectl apply -k` would apply, as YAML. That needs no cluster.
  ///
  /// @throws AssertionError with kubectl's words, if the folder is no kustomization
  public static String kustomize(Path folder) {
    String program = new Binaries().program(Binaries.Module.CONTROLPLANE).toString();
    List<String> arguments = List.of("kustomize", folder.toAbsolutePath().toString());
    try (Kubectl run =
        new Kubectl(new ArrayList<>(List.of(program, "kubectl")), arguments, Map.of())) {
      return run.await(Duration.ofMinutes(1)).orFail().out();
    }
  }

  /// How a run of kubectl ended.
  public record Result(int exit, String out, String err, Duration took) {
    /// This, if it went well.
    ///
    /// @throws AssertionError with kubectl's words, if it failed
    public Result orFail() {
      if (exit != 0) {
        throw new AssertionError("kubectl ended with " + exit + ": " + err + out);
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
            "kubectl %s is still running after %s: %s%s"
                .formatted(String.join(" ", arguments), atMost, out(), err()));
      }
      Duration took = Duration.ofNanos(System.nanoTime() - begin);
      return new Result(process.exitValue(), out.all(), err.all(), took);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("Interrupted while waiting for kubectl", e);
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
