package dev.chaperone.lab.start;

import dev.chaperone.lab.knative.EventRequest;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.LoopbackPort;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/// Functions as a process of their own, started without anything in between that would take time
/// too.
final class Program implements AutoCloseable {
  private static final Duration COMES_UP = Duration.ofSeconds(60);
  private static final Duration ENDS = Duration.ofMinutes(5);
  private static final Duration ANSWERS = Duration.ofSeconds(30);
  private static final int UNAVAILABLE = 503;
  private static final String SOURCE = "/lab";
  private static final int TRIES = 5;
  private static final long PAUSE_NANOS = Duration.ofMillis(1).toNanos();
  private static final HttpClient HTTP =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  private final Process process;
  private final Path log;
  private final int port;
  private final Thread hook;

  private Program(Process process, Path log, int port) {
    this.process = process;
    this.log = log;
    this.port = port;
    this.hook = new Thread(process::destroyForcibly);
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /// Starts it and returns at once.
  static Program launch(List<String> command, Map<String, String> environment, Path log) {
    int port = LoopbackPort.free().number();
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().putAll(environment);
    builder.environment().put("QUARKUS_HTTP_PORT", Integer.toString(port));
    builder.environment().put("QUARKUS_HTTP_HOST", "127.0.0.1");
    builder.redirectErrorStream(true);
    builder.redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
    try {
      return new Program(builder.start(), log, port);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Returns as soon as it accepts connections.
  ///
  /// @throws LabFailure if it ends first, or takes a minute
  void awaitListening() {
    long deadline = System.nanoTime() + COMES_UP.toNanos();
    while (!listens()) {
      if (!process.isAlive() || System.nanoTime() > deadline) {
        throw new LabFailure("the functions do not listen; see " + log);
      }
      LockSupport.parkNanos(PAUSE_NANOS);
    }
  }

  private boolean listens() {
    try (Socket _ = new Socket(InetAddress.getLoopbackAddress(), port)) {
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /// User and system time of all its threads so far.
  Duration cpu() {
    return process.info().totalCpuDuration().orElse(Duration.ZERO);
  }

  /// A request to one of its paths.
  HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(address(path)).timeout(ANSWERS);
  }

  /// A CloudEvent without data, which a header or a body may be added to.
  HttpRequest.Builder event(String type) {
    return EventRequest.of(address("/"), SOURCE, type).timeout(ANSWERS);
  }

  /// The event of an object, as an ApiServerSource sends it.
  ///
  /// @param namespace empty for a Node
  HttpRequest.Builder event(String change, String kind, String namespace, String name) {
    return EventRequest.changed(address("/"), SOURCE, change, kind, namespace, name)
        .timeout(ANSWERS);
  }

  private URI address(String path) {
    return URI.create("http://127.0.0.1:" + port + path);
  }

  HttpResponse<String> send(HttpRequest.Builder request) {
    try {
      return HTTP.send(request.build(), BodyHandlers.ofString());
    } catch (IOException e) {
      throw new LabFailure("the functions broke off; see " + log, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("interrupted", e);
    }
  }

  /// Sends it, again where it asks for that.
  ///
  /// @throws LabFailure if the answer is not this one
  void expect(int status, HttpRequest.Builder request) {
    HttpResponse<String> answer = send(request);
    for (int tries = 1; tries < TRIES && answer.statusCode() == UNAVAILABLE; tries++) {
      answer = send(request);
    }
    if (answer.statusCode() != status) {
      throw new LabFailure(
          "expected %d of %s and got %d: %s; see %s"
              .formatted(
                  status,
                  answer.request().headers().map(),
                  answer.statusCode(),
                  answer.body(),
                  log));
    }
  }

  /// Asks it to end, as Kubernetes does, and waits for that.
  @Override
  public void close() {
    Runtime.getRuntime().removeShutdownHook(hook);
    process.destroy();
    try {
      if (!process.waitFor(ENDS.toMillis(), TimeUnit.MILLISECONDS)) {
        process.destroyForcibly();
        throw new LabFailure("the functions did not end; see " + log);
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
      throw new LabFailure("interrupted", e);
    }
  }
}
