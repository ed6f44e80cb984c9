package dev.chaperone.telemetry;

import io.fabric8.kubernetes.client.http.AsyncBody;
import io.fabric8.kubernetes.client.http.BasicBuilder;
import io.fabric8.kubernetes.client.http.HttpRequest;
import io.fabric8.kubernetes.client.http.HttpResponse;
import io.fabric8.kubernetes.client.http.Interceptor;
import jakarta.enterprise.context.ApplicationScoped;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;

/// Sees every call to the API server: counts and times it, and makes it a span.
@ApplicationScoped
public class ApiCalls implements Interceptor {
  private static final int FAILED = 500;

  private final Metrics metrics;
  private final Tracing tracing;

  /// By what is asked for: the client hands over another object for the same request at each stage,
  /// and which of two equal requests ends first does not matter.
  private final Map<String, Queue<Call>> running = new ConcurrentHashMap<>();

  ApiCalls(Metrics metrics, Tracing tracing) {
    this.metrics = metrics;
    this.tracing = tracing;
  }

  private record Call(ApiPath path, long began, Span span) {}

  @Override
  public void before(BasicBuilder builder, HttpRequest request, RequestTags tags) {
    ApiPath path = ApiPath.of(request.method(), request.uri().getPath());
    Span span =
        tracing
            .call(path.verb() + " " + path.resource())
            .with("http.request.method", request.method())
            .with("url.path", request.uri().getPath());
    Call call = new Call(path, System.nanoTime(), span);
    running.compute(
        key(request),
        (key, calls) -> {
          Queue<Call> all = calls == null ? new ArrayDeque<>() : calls;
          all.add(call);
          return all;
        });
  }

  @Override
  public void after(
      HttpRequest request,
      HttpResponse<?> response,
      AsyncBody.Consumer<List<ByteBuffer>> consumer) {
    String code = Integer.toString(response.code());
    ended(request)
        .ifPresent(
            call -> {
              try (Span span = call.span().with("http.response.status_code", response.code())) {
                if (response.code() >= FAILED) {
                  span.failed(new IllegalStateException("answered with " + code));
                }
              }
              metrics.called(call.path(), code, since(call));
            });
  }

  @Override
  public void afterConnectionFailure(HttpRequest request, Throwable failure) {
    ended(request)
        .ifPresent(
            call -> {
              try (Span span = call.span()) {
                span.failed(failure);
              }
              metrics.called(call.path(), "error", since(call));
            });
  }

  private Optional<Call> ended(HttpRequest request) {
    Call[] ended = new Call[1];
    running.computeIfPresent(
        key(request),
        (key, calls) -> {
          ended[0] = calls.poll();
          return calls.isEmpty() ? null : calls;
        });
    return Optional.ofNullable(ended[0]);
  }

  private static String key(HttpRequest request) {
    return request.method() + " " + request.uri();
  }

  private static Duration since(Call call) {
    return Duration.ofNanos(System.nanoTime() - call.began());
  }
}
