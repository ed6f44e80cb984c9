package dev.chaperone.telemetry;

import dev.chaperone.decide.Answer;
import dev.chaperone.decide.Reason;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// Everything that is counted and timed, under the names that `/q/metrics` shows. No label has more
/// values than there are kinds, verbs, codes and reasons: never a name, a namespace or a path.
@ApplicationScoped
public class Metrics {
  /// What Funqy refused before it came to a function.
  private static final String NONE = "none";

  private final MeterRegistry registry;

  Metrics(MeterRegistry registry) {
    this.registry = registry;
  }

  /// How a request of an event was carried out.
  public enum HoldChange {
    WRITTEN,
    DELETED,
    UNCHANGED
  }

  /// An event was answered.
  ///
  /// @param function that has its type; absent if it reached none
  /// @param code the HTTP status
  public void answered(@Nullable String function, int code, Duration time) {
    Timer.builder("chaperone.event.duration")
        .description("Events by function and answer, and how long each took")
        .tag("function", function == null ? NONE : function)
        .tag("code", Integer.toString(code))
        .register(registry)
        .record(time);
  }

  /// A Companion was looked at, and this is what its disruptions now meet.
  public void decided(Answer.Result result, Reason reason) {
    registry
        .counter(
            "chaperone.decisions",
            "result",
            result.name().toLowerCase(Locale.ROOT),
            "reason",
            reason.name())
        .increment();
  }

  /// Reading, deciding and writing for one Companion ended, well or not.
  public void reconciled(boolean done, Duration time) {
    Timer.builder("chaperone.reconcile.duration")
        .description("Time to read, decide and write for one Companion")
        .tag("done", Boolean.toString(done))
        .register(registry)
        .record(time);
  }

  /// Somebody else wrote first, and everything was read again.
  public void lostRace() {
    registry.counter("chaperone.conflicts").increment();
  }

  /// An event asked to hold or to release.
  public void holdAsked(boolean hold, HoldChange change) {
    registry
        .counter(
            "chaperone.hold.requests",
            "request",
            hold ? "hold" : "release",
            "change",
            change.name().toLowerCase(Locale.ROOT))
        .increment();
  }

  /// The API server answered a call, or did not.
  ///
  /// @param code the HTTP status, or `error` if there was none
  void called(ApiPath path, String code, Duration time) {
    Timer.builder("chaperone.api.request.duration")
        .description("Calls to the API server, and how long each took")
        .tag("verb", path.verb())
        .tag("resource", path.resource())
        .tag("code", code)
        .register(registry)
        .record(time);
  }
}
