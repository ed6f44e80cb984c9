package dev.chaperone.lab.knative;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.function.Predicate;

/// Takes events over HTTP and remembers them.
final class Subscriber implements AutoCloseable {
  private final HttpServer server;
  private final List<Event> events = new CopyOnWriteArrayList<>();
  private volatile int answer = 202;

  Subscriber() {
    try {
      server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    server.createContext(
        "/",
        exchange -> {
          try (exchange) {
            exchange.getRequestBody().readAllBytes();
            String path = exchange.getRequestURI().getPath();
            events.add(new Event(path, exchange.getRequestHeaders()));
            exchange.sendResponseHeaders(path.equals("/dead") ? 202 : answer, -1);
          }
        });
    server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    server.start();
  }

  record Event(String path, Headers headers) {
    String attribute(String name) {
      return headers.getFirst("ce-" + name);
    }
  }

  URI address() {
    return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
  }

  /// What it answers from now on, except to dead letters.
  void answer(int status) {
    answer = status;
  }

  boolean has(Predicate<Event> wanted) {
    return count(wanted) > 0;
  }

  long count(Predicate<Event> wanted) {
    return events.stream().filter(wanted).count();
  }

  Event first(Predicate<Event> wanted) {
    return events.stream().filter(wanted).findFirst().orElseThrow();
  }

  @Override
  public void close() {
    server.stop(0);
  }
}
