package dev.chaperone.decide;

import com.cronutils.model.Cron;
import com.cronutils.model.CronType;
import com.cronutils.model.definition.CronDefinitionBuilder;
import com.cronutils.model.time.ExecutionTime;
import com.cronutils.parser.CronParser;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.FailurePolicy;
import dev.chaperone.api.CompanionSpec.MaintenanceWindow;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Whether now is inside a maintenance window.
///
/// @param outside the reason to hold, outside of all windows
/// @param turns when inside turns to outside, or outside to inside; absent without windows
/// @param failures windows that cannot be read, and why
record Windows(Optional<HoldReason> outside, @Nullable Instant turns, List<String> failures) {

  static Windows of(Disruption disruption, Instant now) {
    List<MaintenanceWindow> windows = disruption.maintenanceWindows();
    if (windows.isEmpty()) {
      return new Windows(Optional.empty(), null, List.of());
    }
    List<String> failures = new ArrayList<>();
    List<Window> readable = new ArrayList<>();
    for (MaintenanceWindow window : windows) {
      try {
        readable.add(Window.of(window, now));
      } catch (IllegalArgumentException | DateTimeException e) {
        failures.add(
            "maintenanceWindows \"%s\" in %s: %s"
                .formatted(window.schedule(), window.timeZone(), e.getMessage()));
      }
    }
    Optional<Instant> end =
        readable.stream()
            .flatMap(it -> it.endOfPresent(now).stream())
            .max(Comparator.naturalOrder());
    boolean ignored = readable.isEmpty() && disruption.failurePolicy() == FailurePolicy.Allow;
    if (end.isPresent() || ignored) {
      return new Windows(Optional.empty(), end.orElse(null), failures);
    }
    Instant next =
        readable.stream()
            .flatMap(it -> it.next(now).stream())
            .min(Comparator.naturalOrder())
            .orElse(null);
    String when = next == null ? "none will begin" : "the next begins at " + next;
    return new Windows(
        Optional.of(
            new HoldReason(
                Reason.OutsideWindow, "Outside maintenance windows: " + when, null, next)),
        next,
        failures);
  }

  private record Window(ExecutionTime begins, Duration length, ZoneId zone) {
    /// So many beginnings are looked at for the one that lasts longest.
    private static final int OVERLAPPING = 100;

    static Window of(MaintenanceWindow schedule, Instant now) {
      Cron cron =
          new CronParser(CronDefinitionBuilder.instanceDefinitionFor(CronType.UNIX))
              .parse(schedule.schedule());
      Window window =
          new Window(
              ExecutionTime.forCron(cron.validate()),
              Durations.parse(schedule.duration()).orElseThrow(),
              ZoneId.of(schedule.timeZone()));
      if (window.next(now).isEmpty()) {
        throw new IllegalArgumentException("there is no such day");
      }
      return window;
    }

    /// The end of the window that is open now. Each beginning has the same length, so the latest
    /// one before now ends last.
    Optional<Instant> endOfPresent(Instant now) {
      // A window also has its first second; lastExecution looks only before.
      ZonedDateTime just = now.plusNanos(1).atZone(zone);
      return begins
          .lastExecution(just)
          .map(begin -> begin.toInstant().plus(length))
          .filter(now::isBefore)
          .map(this::extend);
    }

    /// Windows that begin before another has ended are one.
    private Instant extend(Instant end) {
      Instant last = end;
      for (int i = 0; i < OVERLAPPING; i++) {
        Instant reached = last;
        Optional<Instant> longer =
            begins
                .lastExecution(reached.atZone(zone))
                .map(begin -> begin.toInstant().plus(length))
                .filter(it -> it.isAfter(reached));
        if (longer.isEmpty()) {
          return last;
        }
        last = longer.get();
      }
      return last;
    }

    Optional<Instant> next(Instant now) {
      return begins.nextExecution(now.atZone(zone)).map(ZonedDateTime::toInstant);
    }
  }
}
