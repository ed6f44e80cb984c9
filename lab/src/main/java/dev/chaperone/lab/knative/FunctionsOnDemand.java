package dev.chaperone.lab.knative;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.LoopbackPort;
import dev.chaperone.lab.programs.WithParent;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Plays the part of Knative Serving: an address that starts a program on the first request, holds
/// requests until it answers, and ends it when none came for a while.
public final class FunctionsOnDemand implements AutoCloseable {
  private static final Duration COMES_UP = Duration.ofSeconds(60);
  private static final Duration LOOK_AGAIN = Duration.ofMillis(200);
  private static final Duration ENDS = Duration.ofSeconds(10);
  private static final int UNAVAILABLE = 503;
  private static final int NO_CONTENT = 204;

  /// Of one connection, not of the message that passes through.
  private static final Set<String> HOP_BY_HOP =
      Set.of(
          "connection",
          "content-length",
          "expect",
          "host",
          "http2-settings",
          "keep-alive",
          "proxy-connection",
          "te",
          "trailer",
          "transfer-encoding",
          "upgrade");

  private final List<String> command;
  private final Map<String, String> environment;
  private final Duration idle;
  private final Path log;
  private final HttpServer server;
  private final HttpClient client =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final Thread clock = Thread.ofVirtual().unstarted(this::endWhenIdle);

  private volatile @Nullable Process process;
  private LoopbackPort port = LoopbackPort.free();
  private final List<Run> runs = new ArrayList<>();
  private int requests;
  private int inFlight;
  private long startedAt;
  private long lastUsed;
  private Duration lastStart = Duration.ZERO;

  private FunctionsOnDemand(
      List<String> command, Map<String, String> environment, Duration idle, Path log)
      throws IOException {
    this.command = List.copyOf(command);
    this.environment = Map.copyOf(environment);
    this.idle = idle;
    this.log = log;
    this.server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", this::serve);
    server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    server.start();
    Runtime.getRuntime().addShutdownHook(new Thread(this::end));
    clock.start();
  }

  /// Opens the address; starts nothing yet.
  ///
  /// @param command a program that listens on `QUARKUS_HTTP_PORT`
  /// @param idle how long without a request until it is ended
  /// @param log what it writes is appended to this file
  public static FunctionsOnDemand start(
      List<String> command, Map<String, String> environment, Duration idle, Path log) {
    try {
      return new FunctionsOnDemand(command, environment, idle, log);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Where requests go.
  public URI address() {
    return URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/");
  }

  /// Where the program that runs now listens itself, for what nobody is to read and hand on.
  public synchronized URI program() {
    return URI.create("http://127.0.0.1:" + port + "/");
  }

  /// One time that the program ran.
  ///
  /// @param ended when it was ended, by whomever; null while it runs
  public record Run(Instant started, @Nullable Instant ended) {
    /// How long it ran, until now if it still does.
    public Duration length() {
      return Duration.between(started, ended == null ? Instant.now() : ended);
    }
  }

  /// Every run of the program so far, the first one first.
  public synchronized List<Run> runs() {
    noteEnd();
    return List.copyOf(runs);
  }

  /// How often the program was started.
  public synchronized int starts() {
    return runs.size();
  }

  /// How many requests came.
  public synchronized int requests() {
    return requests;
  }

  /// How long the program ran, all runs together, the present one included.
  public synchronized Duration runningTime() {
    return runs().stream().map(Run::length).reduce(Duration.ZERO, Duration::plus);
  }

  /// How long the last start took until the program listened.
  public synchronized Duration lastStart() {
    return lastStart;
  }

  /// Whether the program runs now.
  public boolean isRunning() {
    Process running = process;
    return running != null && running.isAlive();
  }

  /// The most memory that the present run of the program had so far, resident, in KiB; 0 if it does
  /// not run. Linux only.
  public long peakMemoryKib() {
    Process running = process;
    return running == null
        ? 0
        : Stream.concat(Stream.of(running.toHandle()), running.descendants())
            .mapToLong(FunctionsOnDemand::peakKib)
            .max()
            .orElse(0);
  }

  private static long peakKib(ProcessHandle program) {
    try (Stream<String> lines =
        Files.lines(Path.of("/proc", String.valueOf(program.pid()), "status"))) {
      return lines
          .filter(line -> line.startsWith("VmHWM:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      // It has just ended.
      return 0;
    }
  }

  /// Kills the program as a crash would (SIGKILL), if it runs; the next request starts it again.
  public void kill() {
    // Without the lock: it may be starting.
    Process killed = process;
    if (killed == null) {
      return;
    }
    List<ProcessHandle> programs = killed.descendants().toList();
    programs.forEach(ProcessHandle::destroyForcibly);
    killed.destroyForcibly();
    programs.forEach(program -> program.onExit().join());
    try {
      killed.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    synchronized (this) {
      noteEnd();
    }
  }

  /// Closes the address and ends the program.
  @Override
  public void close() {
    server.stop(0);
    clock.interrupt();
    end();
  }

  private void serve(HttpExchange exchange) throws IOException {
    try (exchange) {
      LoopbackPort target;
      try {
        target = enter();
      } catch (LabFailure e) {
        answer(exchange, UNAVAILABLE, String.valueOf(e.getMessage()));
        return;
      }
      try {
        forward(exchange, target);
      } finally {
        leave();
      }
    }
  }

  private void forward(HttpExchange exchange, LoopbackPort target) throws IOException {
    byte[] body = exchange.getRequestBody().readAllBytes();
    HttpRequest.Builder request =
        HttpRequest.newBuilder(
                URI.create("http://127.0.0.1:" + target).resolve(exchange.getRequestURI()))
            .method(exchange.getRequestMethod(), BodyPublishers.ofByteArray(body));
    exchange
        .getRequestHeaders()
        .forEach(
            (name, values) -> {
              if (passes(name)) {
                values.forEach(value -> request.header(name, value));
              }
            });
    try {
      HttpResponse<byte[]> response = client.send(request.build(), BodyHandlers.ofByteArray());
      response
          .headers()
          .map()
          .forEach(
              (name, values) -> {
                if (passes(name)) {
                  values.forEach(value -> exchange.getResponseHeaders().add(name, value));
                }
              });
      boolean empty = response.statusCode() == NO_CONTENT || response.body().length == 0;
      exchange.sendResponseHeaders(response.statusCode(), empty ? -1 : response.body().length);
      if (!empty) {
        exchange.getResponseBody().write(response.body());
      }
    } catch (IOException e) {
      answer(exchange, UNAVAILABLE, "the functions broke off: " + e + "; see " + log);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      answer(exchange, UNAVAILABLE, "the lab is ending");
    }
  }

  private static void answer(HttpExchange exchange, int status, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, bytes.length);
    exchange.getResponseBody().write(bytes);
  }

  private static boolean passes(String header) {
    return !HOP_BY_HOP.contains(header.toLowerCase(Locale.ROOT));
  }

  /// Counts a request in, and starts the program if it does not run. Others wait meanwhile.
  private synchronized LoopbackPort enter() {
    requests++;
    if (!isRunning()) {
      noteEnd();
      launch();
    }
    inFlight++;
    return port;
  }

  private synchronized void leave() {
    inFlight--;
    lastUsed = System.nanoTime();
  }

  private void launch() {
    port = LoopbackPort.free();
    ProcessBuilder builder = new ProcessBuilder(WithParent.command(command));
    builder.environment().putAll(environment);
    builder.environment().put("QUARKUS_HTTP_PORT", port.toString());
    builder.environment().put("QUARKUS_HTTP_HOST", "127.0.0.1");
    builder.redirectErrorStream(true);
    builder.redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
    startedAt = System.nanoTime();
    runs.add(new Run(Instant.now(), null));
    try {
      Process started = builder.start();
      process = started;
      while (!port.accepts()) {
        if (!started.isAlive()) {
          throw new LabFailure("the functions ended at once; see " + log);
        }
        if (System.nanoTime() - startedAt > COMES_UP.toNanos()) {
          end();
          throw new LabFailure("the functions do not listen after " + COMES_UP + "; see " + log);
        }
        started.waitFor(20, TimeUnit.MILLISECONDS);
      }
    } catch (IOException e) {
      throw new LabFailure("the functions could not be started: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("interrupted while the functions start", e);
    }
    lastUsed = System.nanoTime();
    lastStart = Duration.ofNanos(lastUsed - startedAt);
  }

  private void endWhenIdle() {
    try {
      while (true) {
        Thread.sleep(LOOK_AGAIN);
        endIfIdle();
      }
    } catch (InterruptedException closed) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized void endIfIdle() {
    noteEnd();
    if (isRunning() && inFlight == 0 && System.nanoTime() - lastUsed > idle.toNanos()) {
      end();
    }
  }

  private synchronized void end() {
    Process running = process;
    process = null;
    if (running == null) {
      return;
    }
    running.destroy();
    try {
      if (!running.waitFor(ENDS.toMillis(), TimeUnit.MILLISECONDS)) {
        running.descendants().forEach(ProcessHandle::destroyForcibly);
        running.destroyForcibly();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    noteEnd();
  }

  /// Whoever ended it, the end is known by the process being gone.
  private void noteEnd() {
    if (!runs.isEmpty() && runs.getLast().ended() == null && !isRunning()) {
      runs.add(new Run(runs.removeLast().started(), Instant.now()));
    }
  }
}
