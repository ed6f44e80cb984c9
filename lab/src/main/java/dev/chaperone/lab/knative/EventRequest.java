package dev.chaperone.lab.knative;

import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.util.UUID;

/// A CloudEvent posted by hand, in binary mode and without data, to which headers and a body may be
/// added. Each has an id of its own.
public final class EventRequest {
  private EventRequest() {}

  /// An event of any type.
  public static HttpRequest.Builder of(URI to, String source, String type) {
    return HttpRequest.newBuilder(to)
        .header("ce-specversion", "1.0")
        .header("ce-id", UUID.randomUUID().toString())
        .header("ce-source", source)
        .header("ce-type", type)
        .POST(BodyPublishers.noBody());
  }

  /// The event of an object, as an ApiServerSource sends it.
  ///
  /// @param change add, update or delete
  /// @param namespace empty for a Node
  public static HttpRequest.Builder changed(
      URI to, String source, String change, String kind, String namespace, String name) {
    HttpRequest.Builder event =
        of(to, source, "dev.knative.apiserver.ref." + change)
            .header("ce-kind", kind)
            .header("ce-name", name);
    return namespace.isEmpty() ? event : event.header("ce-namespace", namespace);
  }
}
