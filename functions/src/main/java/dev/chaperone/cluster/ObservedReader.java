package dev.chaperone.cluster;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Observed;
import dev.chaperone.decide.Observation;
import dev.chaperone.decide.Scope;
import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.api.model.StatusDetails;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.http.AsyncBody;
import io.fabric8.kubernetes.client.http.HttpClient;
import io.fabric8.kubernetes.client.http.HttpResponse;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/// Reads the objects that Companions observe. Their kinds are not known here, nor how large what an
/// aggregated API server sends may be: the answer is read no further than [#MAX_BYTES].
final class ObservedReader {
  static final int MAX_BYTES = 256 << 10;

  /// `/namespaces/NAME/status` is a part of the Namespace, whatever comes after it.
  private static final Set<String> OF_NAMESPACES = Set.of("status", "finalize");

  private static final int FORBIDDEN = 403;
  private static final int NOT_FOUND = 404;
  private static final ObjectMapper JSON = JsonMapper.builder().build();
  private static final TypeReference<Map<String, Object>> OBJECT = new TypeReference<>() {};
  private static final String AGGREGATE_TO_OBSERVE = "chaperone.dev/aggregate-to-observe: \"true\"";

  private final KubernetesClient client;
  private final Scope scope;

  ObservedReader(KubernetesClient client, Scope scope) {
    this.client = client;
    this.scope = scope;
  }

  /// That an object is not there is a fact, and what the Companion's failurePolicy is for. Whatever
  /// else goes wrong, nothing is known of it; that must not keep the rest from being decided.
  ///
  /// @param ownNamespace the Companion's, where the object is if its namespace is not said
  Observation read(Observed what, String ownNamespace) {
    String namespace = what.namespace() == null ? ownNamespace : what.namespace();
    boolean namespaced = what.scope() == CompanionSpec.Scope.Namespaced;
    String name =
        "%s (%s) %s%s, observed as %s"
            .formatted(
                what.resource(),
                what.apiVersion(),
                namespaced ? namespace + "/" : "",
                what.name(),
                what.as());
    if (!Stream.concat(
                Stream.of(what.apiVersion().split("/", 2)),
                Stream.of(what.resource(), namespace, what.name()))
            .allMatch(PathName::isOne)
        || OF_NAMESPACES.contains(what.resource())) {
      return new Observation.Unreadable("cannot read " + name + ": nothing can have such a name");
    }
    String path =
        "%s/%s/%s%s/%s"
            .formatted(
                what.apiVersion().contains("/") ? "/apis" : "/api",
                what.apiVersion(),
                namespaced ? "namespaces/" + namespace + "/" : "",
                what.resource(),
                what.name());
    try {
      byte[] body = get(path);
      return body.length > MAX_BYTES
          ? new Observation.Unreadable(
              "cannot read %s: it is larger than %d KiB".formatted(name, MAX_BYTES >> 10))
          : new Observation.Seen(JSON.readValue(body, OBJECT));
    } catch (KubernetesClientException e) {
      return unseen(e, name);
    } catch (IOException | RuntimeException e) {
      return new Observation.Unreadable(
          "cannot read %s: no answer that can be read (%s)"
              .formatted(name, e.getClass().getSimpleName()));
    }
  }

  /// Ends in time whatever the other side does, also one that sends its answer bit by bit.
  ///
  /// @return more than is allowed if there was more
  private byte[] get(String path) throws IOException {
    HttpClient http = client.getHttpClient();
    // It may be behind a path of its own.
    String server = client.getMasterUrl().toString().replaceFirst("/$", "");
    ByteArrayOutputStream read = new ByteArrayOutputStream();
    CompletableFuture<HttpResponse<AsyncBody>> sent =
        http.consumeBytes(
            http.newHttpRequestBuilder().uri(server + path).build(),
            (parts, body) -> {
              for (ByteBuffer part : parts) {
                byte[] bytes = new byte[part.remaining()];
                part.get(bytes);
                read.writeBytes(bytes);
              }
              if (read.size() > MAX_BYTES) {
                body.cancel();
              } else {
                body.consume();
              }
            });
    CompletableFuture<Integer> status =
        sent.thenCompose(
            response -> {
              response.body().consume();
              return response
                  .body()
                  .done()
                  .handle(
                      (_, failure) -> {
                        if (failure != null && read.size() <= MAX_BYTES) {
                          throw new CompletionException(failure);
                        }
                        return response.code();
                      });
            });
    try {
      int code = status.get(client.getConfiguration().getRequestTimeout(), TimeUnit.MILLISECONDS);
      byte[] body = read.toByteArray();
      if (!isSuccess(code)) {
        throw new KubernetesClientException("", code, status(body));
      }
      return body;
    } catch (ExecutionException | TimeoutException e) {
      throw new KubernetesClientException("", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KubernetesClientException("", e);
    } finally {
      if (!status.isDone()) {
        // Whatever still comes of it is for nobody.
        var _ = sent.thenAccept(response -> response.body().cancel());
      }
    }
  }

  private static boolean isSuccess(int code) {
    return code / 100 == 2;
  }

  /// Others than the API server answer as they like.
  private Status status(byte[] body) {
    try {
      return JSON.readValue(body, Status.class);
    } catch (IOException e) {
      return new Status();
    }
  }

  private Observation unseen(KubernetesClientException answer, String name) {
    return switch (answer.getCode()) {
      // Only a resource that exists can say of an object that it does not.
      case NOT_FOUND ->
          isNamed(answer)
              ? new Observation.Absent(name + ", does not exist")
              : new Observation.Unreadable(
                  "the cluster does not know %s: check apiVersion, resource and scope"
                      .formatted(name));
      case FORBIDDEN ->
          new Observation.Unreadable(
              "Chaperone may not read %s: let a ClusterRole with the label %s grant get on it%s"
                  .formatted(
                      name,
                      AGGREGATE_TO_OBSERVE,
                      scope.only() == null
                          ? ""
                          : ", bound to Chaperone in the namespace where it is"));
      default -> new Observation.Unreadable("cannot read " + name + ": " + Words.of(answer));
    };
  }

  private static boolean isNamed(KubernetesClientException answer) {
    return Optional.ofNullable(answer.getStatus())
        .map(Status::getDetails)
        .map(StatusDetails::getName)
        .filter(it -> !it.isEmpty())
        .isPresent();
  }
}
