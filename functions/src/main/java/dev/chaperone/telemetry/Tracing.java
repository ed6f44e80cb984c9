package dev.chaperone.telemetry;

import jakarta.annotation.PreDestroy;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.Map;
import java.util.Optional;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jspecify.annotations.Nullable;

/// Spans for a collector, by OTLP, where one is configured as for any OpenTelemetry program: by
/// `OTEL_EXPORTER_OTLP_ENDPOINT` and its relatives. By OpenTelemetry's own SDK: Quarkus' extension
/// costs every start, also when it is switched off.
@ApplicationScoped
public class Tracing {
  private final @Nullable Exporter exporter;

  Tracing(
      @ConfigProperty(name = "otel.exporter.otlp.endpoint") Optional<String> endpoint,
      @ConfigProperty(name = "otel.exporter.otlp.traces.endpoint") Optional<String> tracesEndpoint,
      @ConfigProperty(name = "otel.sdk.disabled", defaultValue = "false") boolean disabled) {
    this.exporter =
        disabled || (endpoint.isEmpty() && tracesEndpoint.isEmpty())
            ? null
            : Exporter.to(endpoint, tracesEndpoint);
  }

  /// Begins the work on an event, as a part of the trace that it came with.
  ///
  /// @param headers of the request, by lower-case name, as far as W3C Trace Context defines them:
  ///     the last hop
  /// @param attributes of the event, as far as the distributed tracing extension defines them: its
  ///     origin, which is the parent where the last hop says nothing and a link otherwise
  public Span event(String name, Map<String, String> headers, Map<String, String> attributes) {
    return exporter == null ? Span.NONE : exporter.event(name, headers, attributes);
  }

  /// Begins a part of what this thread, or the thread that started it, works on.
  public Span part(String name) {
    return exporter == null ? Span.NONE : exporter.part(name);
  }

  /// Begins a call that may end on another thread.
  Span call(String name) {
    return exporter == null ? Span.NONE : exporter.call(name);
  }

  /// Sends what was not sent yet: the functions end soon after their last event.
  @PreDestroy
  void end() {
    if (exporter != null) {
      exporter.close();
    }
  }
}
