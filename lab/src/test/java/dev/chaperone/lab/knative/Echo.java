package dev.chaperone.lab.knative;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;

/// A program to be started on demand: answers each request with its own `ce-id` and body, and with
/// its environment's GREETING.
final class Echo {
  private Echo() {}

  public static void main(String[] arguments) throws IOException {
    int port = Integer.parseInt(System.getenv("QUARKUS_HTTP_PORT"));
    HttpServer server =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
    server.createContext(
        "/",
        exchange -> {
          try (exchange) {
            byte[] body = exchange.getRequestBody().readAllBytes();
            exchange
                .getResponseHeaders()
                .add("ce-id", exchange.getRequestHeaders().getFirst("ce-id"));
            exchange
                .getResponseHeaders()
                .add("greeting", String.valueOf(System.getenv("GREETING")));
            exchange.sendResponseHeaders(202, body.length);
            exchange.getResponseBody().write(body);
          }
        });
    server.start();
  }
}
