package dev.chaperone.functions;

import dev.chaperone.telemetry.Metrics;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;

/// Counts and times every event by what it was answered, also those that reach no function.
@ApplicationScoped
class EventCounter {
  /// Under which a function notes its name: one for each type of event.
  static final String FUNCTION = "chaperone.function";

  private final Metrics metrics;

  EventCounter(Metrics metrics) {
    this.metrics = metrics;
  }

  void install(@Observes Router router) {
    router.post().order(Integer.MIN_VALUE).handler(this::count);
  }

  private void count(RoutingContext context) {
    long began = System.nanoTime();
    // Before the first byte goes out, so that whoever has the answer finds it counted.
    context.addHeadersEndHandler(
        _ -> {
          String function = context.get(FUNCTION);
          Duration time = Duration.ofNanos(System.nanoTime() - began);
          metrics.answered(function, context.response().getStatusCode(), time);
        });
    context.next();
  }
}
