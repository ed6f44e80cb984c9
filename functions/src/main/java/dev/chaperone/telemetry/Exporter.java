package dev.chaperone.telemetry;

import io.opentelemetry.api.trace.SpanBuilder;
import io.opentelemetry.api.trace.SpanContext;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.propagation.TextMapGetter;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The one class that knows OpenTelemetry.
final class Exporter implements AutoCloseable {
  private static final TextMapGetter<Map<String, String>> GETTER =
      new TextMapGetter<>() {
        @Override
        public Iterable<String> keys(Map<String, String> carrier) {
          return carrier.keySet();
        }

        @Override
        public @Nullable String get(@Nullable Map<String, String> carrier, String key) {
          return carrier == null ? null : carrier.get(key);
        }
      };

  /// Inherited, because calls to the API server run at the same time, each on a thread of its own
  /// that the worker starts.
  private static final InheritableThreadLocal<@Nullable Context> CURRENT =
      new InheritableThreadLocal<>();

  private final OpenTelemetrySdk sdk;
  private final Tracer tracer;

  private Exporter(OpenTelemetrySdk sdk) {
    this.sdk = sdk;
    this.tracer = sdk.getTracer("dev.chaperone");
  }

  static Exporter to(Optional<String> endpoint, Optional<String> tracesEndpoint) {
    Map<String, String> defaults = new HashMap<>();
    defaults.put("otel.service.name", "chaperone");
    defaults.put("otel.exporter.otlp.protocol", "http/protobuf");
    // Metrics are at /q/metrics, logs on standard output.
    defaults.put("otel.metrics.exporter", "none");
    defaults.put("otel.logs.exporter", "none");
    endpoint.ifPresent(it -> defaults.put("otel.exporter.otlp.endpoint", it));
    tracesEndpoint.ifPresent(it -> defaults.put("otel.exporter.otlp.traces.endpoint", it));
    return new Exporter(
        AutoConfiguredOpenTelemetrySdk.builder()
            .addPropertiesSupplier(() -> defaults)
            .disableShutdownHook()
            .build()
            .getOpenTelemetrySdk());
  }

  Span event(String name, Map<String, String> headers, Map<String, String> attributes) {
    Context hop = context(headers);
    Context origin = context(attributes);
    boolean known = spanContext(hop).isValid();
    SpanBuilder builder =
        tracer.spanBuilder(name).setSpanKind(SpanKind.CONSUMER).setParent(known ? hop : origin);
    if (known && spanContext(origin).isValid()) {
      builder.addLink(spanContext(origin));
    }
    return enter(builder);
  }

  Span part(String name) {
    return enter(child(name, SpanKind.INTERNAL));
  }

  Span call(String name) {
    return new Recorded(child(name, SpanKind.CLIENT).startSpan(), () -> {});
  }

  private SpanBuilder child(String name, SpanKind kind) {
    Context parent = CURRENT.get();
    return tracer
        .spanBuilder(name)
        .setSpanKind(kind)
        .setParent(parent == null ? Context.root() : parent);
  }

  private Span enter(SpanBuilder builder) {
    Context before = CURRENT.get();
    var span = builder.startSpan();
    CURRENT.set(Context.root().with(span));
    return new Recorded(
        span,
        () -> {
          if (before == null) {
            CURRENT.remove();
          } else {
            CURRENT.set(before);
          }
        });
  }

  private static Context context(Map<String, String> carrier) {
    return W3CTraceContextPropagator.getInstance().extract(Context.root(), carrier, GETTER);
  }

  private static SpanContext spanContext(Context context) {
    return io.opentelemetry.api.trace.Span.fromContext(context).getSpanContext();
  }

  @Override
  public void close() {
    sdk.close();
  }

  private record Recorded(io.opentelemetry.api.trace.Span span, Runnable leave) implements Span {
    @Override
    public Span with(String key, String value) {
      span.setAttribute(key, value);
      return this;
    }

    @Override
    public Span with(String key, long value) {
      span.setAttribute(key, value);
      return this;
    }

    @Override
    public void failed(Throwable cause) {
      span.recordException(cause).setStatus(StatusCode.ERROR, String.valueOf(cause.getMessage()));
    }

    @Override
    public String traceId() {
      return span.getSpanContext().getTraceId();
    }

    @Override
    public void close() {
      leave.run();
      span.end();
    }
  }
}
