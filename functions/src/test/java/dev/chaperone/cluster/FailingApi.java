package dev.chaperone.cluster;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpServer;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.Executors;

/// An API server for failures that a real one cannot be made to give on demand, and a client of it.
final class FailingApi implements AutoCloseable {
  /// The code of no answer at all: the connection is closed.
  static final int NO_ANSWER = 0;

  private final HttpServer server;
  private final KubernetesClient client;

  /// @param patience how long the client waits for an answer
  FailingApi(Duration patience) {
    try {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    server.start();
    client =
        new KubernetesClientBuilder()
            .withConfig(
                new ConfigBuilder(Config.empty())
                    .withMasterUrl("http://127.0.0.1:" + server.getAddress().getPort())
                    .withRequestTimeout((int) patience.toMillis())
                    .withRequestRetryBackoffLimit(0)
                    .build())
            .build();
  }

  KubernetesClient client() {
    return client;
  }

  /// Lets this answer requests for the path and all below it, but for those with an answer of their
  /// own.
  void on(String path, HttpHandler handler) {
    server.createContext(path, handler);
  }

  /// Answers with a failure, in words as the API server has them.
  ///
  /// @param code an HTTP status, or [#NO_ANSWER]
  static void fail(HttpExchange exchange, int code) throws IOException {
    if (code == NO_ANSWER) {
      exchange.close();
    } else {
      answer(exchange, code, status(code, "{}"));
    }
  }

  /// A failure as the API server has it.
  ///
  /// @param details a JSON object
  static String status(int code, String details) {
    return """
    {"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": %d, "message": "answered with %d",
     "details": %s}
    """
        .formatted(code, code, details);
  }

  static void answer(HttpExchange exchange, int code, String json) throws IOException {
    try (exchange) {
      byte[] body = json.getBytes(StandardCharsets.UTF_8);
      exchange.getRequestBody().readAllBytes();
      exchange.getResponseHeaders().set("Content-Type", "application/json");
      exchange.sendResponseHeaders(code, body.length);
      exchange.getResponseBody().write(body);
    }
  }

  @Override
  public void close() {
    client.close();
    server.stop(0);
  }
}
