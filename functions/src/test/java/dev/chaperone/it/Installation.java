package dev.chaperone.it;

import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.controlplane.ApiCall;
import dev.chaperone.lab.knative.ApiServerSource;
import dev.chaperone.lab.knative.EventRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/// Chaperone on a lab.
///
/// @param functions where events are posted to
/// @param sources the manifest of the ApiServerSources
record Installation(Lab lab, URI functions, Path sources) {
  private static final String SOURCE = "/by-hand";

  /// What Knative's controllers have to call Ready, in any installation with the cluster's own
  /// Broker.
  static final List<String> SOURCES_AND_TRIGGERS =
      List.of(
          "brokers/chaperone",
          "apiserversources/chaperone",
          "apiserversources/chaperone-nodes",
          "pingsources/chaperone-pulse",
          "triggers/companions",
          "triggers/holds",
          "triggers/daemonsets",
          "triggers/guards",
          "triggers/guard-pods",
          "triggers/budgets",
          "triggers/nodes",
          "triggers/pulse");

  /// The same in the default installation, with its Services.
  static final List<String> READY =
      Stream.concat(
              SOURCES_AND_TRIGGERS.stream(),
              Stream.of(
                  "triggers/hold-requests",
                  "services.serving.knative.dev/functions",
                  "services.serving.knative.dev/dead-letters"))
          .toList();

  /// As curl and Knative's own senders post.
  private static final HttpClient HTTP =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private static final String USER = "system:serviceaccount:chaperone:functions";
  private static final Set<String> WRITES = Set.of("create", "update", "patch", "delete");

  private static final Duration SOON = Duration.ofMillis(200);

  /// As long as a sender may have to wait for an answer.
  static final Duration ANSWER = Duration.ofSeconds(20);

  /// Starts the real ApiServerSource adapters.
  ApiServerSource startSources() {
    return ApiServerSource.start(lab, functions, sources);
  }

  /// Waits until the object is Ready, in the namespace of the installation.
  void requireReady(String object) {
    lab.kubectl("wait", "--for=condition=Ready", object, "-n", "chaperone", "--timeout=90s")
        .orFail();
  }

  HttpResponse<String> pulse() {
    return post(event("dev.knative.sources.ping"));
  }

  /// Posts the event of an object by hand.
  HttpResponse<String> changed(String kind, String namespace, String name) {
    return post(EventRequest.changed(functions, SOURCE, "update", kind, namespace, name));
  }

  HttpResponse<String> added(String kind, String namespace, String name) {
    return post(EventRequest.changed(functions, SOURCE, "add", kind, namespace, name));
  }

  HttpResponse<String> deleted(String kind, String namespace, String name) {
    return post(EventRequest.changed(functions, SOURCE, "delete", kind, namespace, name));
  }

  HttpRequest.Builder event(String type) {
    return EventRequest.of(functions, SOURCE, type);
  }

  /// The event of somebody who asks to hold a Companion.
  ///
  /// @param companion its namespace and name
  HttpRequest.Builder holdEvent(String companion) {
    return event("dev.chaperone.hold")
        .header("content-type", "application/json")
        .POST(
            BodyPublishers.ofString(
                "{\"companion\": \"%s\", \"reason\": \"rebuilding\"}".formatted(companion)));
  }

  HttpResponse<String> post(HttpRequest.Builder request) {
    return post(request, ANSWER);
  }

  HttpResponse<String> post(HttpRequest.Builder request, Duration atMost) {
    try {
      return HTTP.send(request.timeout(atMost).build(), BodyHandlers.ofString());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  /// What the functions asked of the API server so far.
  List<ApiCall> calls() {
    return lab.apiCalls().stream().filter(call -> call.user().equals(USER)).toList();
  }

  /// The same, all of them: one can be answered a moment before it is in the audit log.
  List<ApiCall> settledCalls() {
    List<List<ApiCall>> last = new ArrayList<>(List.of(List.of()));
    await("the audit log")
        .atMost(Scene.LONG)
        .pollDelay(SOON)
        .pollInterval(SOON)
        .until(
            () -> {
              last.add(calls());
              return last.removeFirst().size() == last.getFirst().size();
            });
    return last.getFirst();
  }

  /// What the functions wrote so far.
  List<ApiCall> writes() {
    return calls().stream().filter(call -> WRITES.contains(call.verb())).toList();
  }
}
