package dev.chaperone.functions;

import dev.chaperone.telemetry.Span;
import dev.chaperone.telemetry.Tracing;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.vertx.http.runtime.CurrentVertxRequest;
import io.vertx.ext.web.RoutingContext;
import jakarta.annotation.Priority;
import jakarta.interceptor.AroundInvoke;
import jakarta.interceptor.Interceptor;
import jakarta.interceptor.InvocationContext;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jboss.logging.MDC;
import org.jspecify.annotations.Nullable;

/// The span of an event. It begins where the function does, on its worker thread: before that,
/// Funqy has not read a structured event, which carries its trace in the body.
@Observed
@Interceptor
@Priority(Interceptor.Priority.LIBRARY_BEFORE)
class ObservedFunction {
  private static final String TRACE_ID = "traceId";

  /// As both W3C Trace Context and the distributed tracing extension of CloudEvents call them.
  private static final Set<String> TRACE_CONTEXT = Set.of("traceparent", "tracestate");

  private final Tracing tracing;
  private final CurrentVertxRequest request;

  ObservedFunction(Tracing tracing, CurrentVertxRequest request) {
    this.tracing = tracing;
    this.request = request;
  }

  @AroundInvoke
  @Nullable Object observe(InvocationContext invocation) throws Exception {
    CloudEvent<?> event = (CloudEvent<?>) invocation.getParameters()[0];
    String type = Objects.requireNonNullElse(event.type(), "");
    RoutingContext http = request.getCurrent();
    http.put(EventCounter.FUNCTION, invocation.getMethod().getName());
    try (Span span = tracing.event("event " + type, traceHeaders(http), traceAttributes(event))) {
      describe(span, event, type);
      if (!span.traceId().isEmpty()) {
        MDC.put(TRACE_ID, span.traceId());
      }
      try {
        return invocation.proceed();
      } catch (Exception e) {
        span.failed(e);
        throw e;
      } finally {
        MDC.remove(TRACE_ID);
      }
    }
  }

  private static void describe(Span span, CloudEvent<?> event, String type) {
    span.with("cloudevents.event_type", type)
        .with("cloudevents.event_id", String.valueOf(event.id()))
        .with("cloudevents.event_source", String.valueOf(event.source()));
    if (event.subject() != null) {
      span.with("cloudevents.event_subject", event.subject());
    }
  }

  private static Map<String, String> traceHeaders(RoutingContext http) {
    Map<String, String> headers = new HashMap<>();
    for (String name : TRACE_CONTEXT) {
      String value = http.request().getHeader(name);
      if (value != null) {
        headers.put(name, value);
      }
    }
    return headers;
  }

  private static Map<String, String> traceAttributes(CloudEvent<?> event) {
    Map<String, String> attributes = new HashMap<>();
    event
        .extensions()
        .forEach(
            (name, value) -> {
              if (value != null && TRACE_CONTEXT.contains(name.toLowerCase(Locale.ROOT))) {
                attributes.put(name.toLowerCase(Locale.ROOT), value);
              }
            });
    return attributes;
  }
}
