package dev.chaperone.it;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;

/// The functions as they are deployed: a program of its own that can be killed at any moment, with
/// another one that has already been started, so that the next event need not wait.
final class KillableFunctions implements AutoCloseable {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Duration NEVER_IDLE = Duration.ofHours(1);

  private final List<FunctionsOnDemand> programs;
  private final List<Installation> installations;
  private final List<CompletableFuture<Void>> starting;
  private int current;
  private int kills;

  /// @param kubeconfig with what rights, and by which way to the API server
  KillableFunctions(Lab lab, Path kubeconfig) {
    programs =
        IntStream.of(1, 2)
            .mapToObj(
                number ->
                    FunctionsOnDemand.start(
                        FunctionsCommand.fastest(FunctionsCommand.built(HOME)),
                        Map.of("KUBECONFIG", kubeconfig.toString()),
                        NEVER_IDLE,
                        lab.folder().resolve("functions-" + number + ".log")))
            .toList();
    installations =
        programs.stream()
            .map(it -> new Installation(lab, it.address(), HOME.resolve("triggers")))
            .toList();
    starting =
        new ArrayList<>(
            programs.stream().map(it -> CompletableFuture.runAsync(() -> warm(it))).toList());
  }

  /// Where the next event goes.
  synchronized Installation now() {
    starting.get(current).join();
    return installations.get(current);
  }

  /// How often [#kill()] was called.
  synchronized int kills() {
    return kills;
  }

  /// Kills the program in the middle of what it does; the other one takes the next event.
  synchronized void kill() {
    FunctionsOnDemand killed = programs.get(current);
    killed.kill();
    starting.set(current, CompletableFuture.runAsync(() -> warm(killed)));
    kills++;
    current = 1 - current;
  }

  /// Any request starts it.
  private static void warm(FunctionsOnDemand program) {
    try (HttpClient client = HttpClient.newHttpClient()) {
      client.send(HttpRequest.newBuilder(program.address()).build(), BodyHandlers.discarding());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    programs.forEach(FunctionsOnDemand::close);
  }
}
