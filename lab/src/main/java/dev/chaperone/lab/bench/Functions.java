package dev.chaperone.lab.bench;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.knative.EventRequest;
import dev.chaperone.lab.programs.LoopbackPort;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/// Chaperone's functions, with events posted to them.
///
/// @param address where
record Functions(ChildJvm jvm, URI address) implements Contender {
  /// Besides those that every start has: the memory that knative/base/service.yaml allows.
  private static final String[] LIMITS = {
    "-XX:MaxRAM=256m",
    // Where a share of the memory is less than 125 MB, this is the one that counts.
    "-XX:MinRAMPercentage=32",
    "-XX:MaxRAMPercentage=32",
    "-XX:+ExitOnOutOfMemoryError"
  };

  private static final Duration STARTS = Duration.ofSeconds(60);
  private static final Duration ANSWERS = Duration.ofSeconds(60);
  private static final String SOURCE = "/bench";
  private static final HttpClient HTTP =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

  static Functions start(Lab lab, Map<String, String> environment) {
    LoopbackPort port = LoopbackPort.free();
    Map<String, String> all = new HashMap<>(environment);
    all.put("QUARKUS_HTTP_PORT", port.toString());
    all.put("QUARKUS_HTTP_HOST", "127.0.0.1");
    // As in the image.
    all.put("MALLOC_ARENA_MAX", "2");
    ChildJvm jvm = ChildJvm.start(command(), all, lab.folder().resolve("functions.log"));
    Wait.until("functions that listen", STARTS, port::accepts, () -> jvm.isAlive() ? "" : "ended");
    return new Functions(jvm, URI.create("http://127.0.0.1:" + port + "/"));
  }

  static List<String> command() {
    return FunctionsCommand.fastest(FunctionsCommand.built(Contender.home()), LIMITS);
  }

  /// Of the JVM, as a report shows them.
  static String flags() {
    return String.join(" ", FunctionsCommand.FLAGS) + " " + String.join(" ", LIMITS);
  }

  @Override
  public Kind kind() {
    return Kind.FUNCTIONS;
  }

  @Override
  public Telling tell(String change, String kind, String namespace, String name) {
    return post(EventRequest.changed(address, SOURCE, change, kind, namespace, name));
  }

  Telling pulse() {
    return post(EventRequest.of(address, SOURCE, "dev.knative.sources.ping"));
  }

  /// By their own metrics.
  @Override
  public long reconciles() {
    HttpRequest metrics = HttpRequest.newBuilder(address.resolve("/q/metrics")).build();
    return HTTP.sendAsync(metrics, BodyHandlers.ofLines())
        .join()
        .body()
        .filter(line -> line.startsWith("chaperone_reconcile_duration_seconds_count"))
        .mapToLong(line -> Math.round(Double.parseDouble(line.substring(line.indexOf(' ')))))
        .sum();
  }

  @Override
  public void close() {
    jvm.close();
  }

  private static Telling post(HttpRequest.Builder event) {
    CompletableFuture<HttpResponse<String>> answer =
        HTTP.sendAsync(event.timeout(ANSWERS).build(), BodyHandlers.ofString());
    return () -> {
      HttpResponse<String> response = answer.join();
      WrongResult.unless(
          response.statusCode() / 100 == 2,
          "the functions answered %d: %s".formatted(response.statusCode(), response.body()));
    };
  }
}
