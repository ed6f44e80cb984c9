package dev.chaperone.functions;

import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.Unavailable;
import dev.chaperone.decide.CompanionRef;
import jakarta.enterprise.context.ApplicationScoped;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jboss.logging.Logger;

/// Hands looks at Companions over to other processes: each as a CloudEvent to the Broker, which
/// Knative starts more of the functions for.
///
/// The event is the one that a change of the Companion would be told with. So nothing depends on
/// it: one that comes twice finds nothing to do, and one that is lost is for the next resync.
@ApplicationScoped
class HandOver {
  private static final Logger LOG = Logger.getLogger(HandOver.class);
  private static final Duration TO_CONNECT = Duration.ofSeconds(1);

  private final Optional<URI> sink;

  HandOver(@ConfigProperty(name = "chaperone.sink") Optional<URI> sink) {
    this.sink = sink;
    sink.filter(it -> !String.valueOf(it.getScheme()).matches("https?") || it.getHost() == null)
        .ifPresent(
            it -> {
              throw new IllegalArgumentException(
                  "CHAPERONE_SINK must be the address of a Broker, such as http://HOST/PATH, and is "
                      + it);
            });
  }

  /// Only where it is used.
  private static final class Http {
    static final HttpClient CLIENT =
        HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(TO_CONNECT)
            .build();
  }

  /// Whether the installation names a sink.
  boolean isPossible() {
    return sink.isPresent();
  }

  /// Returns when the sink has taken the event. Knative's in-memory Broker does so only once the
  /// Companion was looked at.
  ///
  /// @return whether it was taken; if not, nobody will look at the Companion because of it
  /// @throws Unavailable when there is no answer in time
  boolean look(CompanionRef ref, Deadline deadline) {
    Duration left = deadline.left();
    deadline.check("handing over Companion " + ref);
    try {
      int status = Http.CLIENT.send(event(ref, left), BodyHandlers.discarding()).statusCode();
      if (status / 100 == 2) {
        return true;
      }
      LOG.warnf("%s: not handed over: %s answered %d", ref, sink.orElseThrow(), status);
      return false;
    } catch (HttpTimeoutException e) {
      if (e instanceof HttpConnectTimeoutException) {
        return failed(ref, e);
      }
      throw new Unavailable(
          "Companion %s was handed over to %s, which did not answer in time"
              .formatted(ref, sink.orElseThrow()),
          e);
    } catch (IOException e) {
      return failed(ref, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Unavailable("Interrupted", e);
    }
  }

  private boolean failed(CompanionRef ref, IOException e) {
    LOG.warnf("%s: not handed over: %s does not answer: %s", ref, sink.orElseThrow(), e);
    return false;
  }

  private HttpRequest event(CompanionRef ref, Duration timeout) {
    String path =
        "/apis/chaperone.dev/v1alpha1/namespaces/%s/companions/%s"
            .formatted(ref.namespace(), ref.name());
    return HttpRequest.newBuilder(sink.orElseThrow())
        .timeout(timeout)
        .header("ce-specversion", "1.0")
        .header("ce-id", UUID.randomUUID().toString())
        .header("ce-source", path)
        .header("ce-type", "dev.knative.apiserver.ref.update")
        .header("ce-subject", path)
        .header("ce-apiversion", "chaperone.dev/v1alpha1")
        .header("ce-kind", "Companion")
        .header("ce-namespace", ref.namespace())
        .header("ce-name", ref.name())
        // Where the Broker has partitions, all events of one Companion are in the same.
        .header("ce-partitionkey", ref.toString())
        .POST(BodyPublishers.noBody())
        .build();
  }
}
