package dev.chaperone.it;

import dev.chaperone.lab.ApiCall;
import dev.chaperone.lab.ApiServerSource;
import dev.chaperone.lab.Lab;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.UUID;

/// Chaperone on a lab.
///
/// @param functions where events are posted to
/// @param sources the manifest of the ApiServerSources
record Installation(Lab lab, URI functions, Path sources) {
  /// As curl and Knative's own senders post.
  private static final HttpClient HTTP =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private static final String USER = "system:serviceaccount:chaperone:functions";
  private static final Set<String> WRITES = Set.of("create", "update", "patch", "delete");

  /// As long as a sender may have to wait for an answer.
  static final Duration ANSWER = Duration.ofSeconds(15);

  /// Starts the real ApiServerSource adapters.
  ApiServerSource startSources() {
    return ApiServerSource.start(lab, functions, sources);
  }

  /// Applies as a user would.
  void apply(String yaml) {
    lab.client()
        .load(new ByteArrayInputStream(yaml.getBytes(StandardCharsets.UTF_8)))
        .items()
        .forEach(
            item ->
                lab.client()
                    .resource(item)
                    .fieldManager("user")
                    .forceConflicts()
                    .serverSideApply());
  }

  HttpResponse<String> pulse() {
    return post(event("dev.knative.sources.ping"));
  }

  /// Posts the event of an object by hand.
  HttpResponse<String> changed(String kind, String namespace, String name) {
    HttpRequest.Builder event =
        event("dev.knative.apiserver.ref.update").header("ce-kind", kind).header("ce-name", name);
    return post(namespace.isEmpty() ? event : event.header("ce-namespace", namespace));
  }

  HttpRequest.Builder event(String type) {
    return HttpRequest.newBuilder(functions)
        .header("ce-specversion", "1.0")
        .header("ce-id", UUID.randomUUID().toString())
        .header("ce-source", "/by-hand")
        .header("ce-type", type)
        .POST(BodyPublishers.noBody());
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

  /// What the functions wrote so far.
  List<ApiCall> writes() {
    return calls().stream().filter(call -> WRITES.contains(call.verb())).toList();
  }
}
