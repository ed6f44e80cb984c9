package dev.chaperone.decide;

import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// Lengths of time as kubectl prints them: the two units that matter.
public final class Ages {
  private static final long MINUTE = 60;
  private static final long HOUR = 60 * MINUTE;
  private static final long DAY = 24 * HOUR;
  private static final long YEAR = 365 * DAY;

  private Ages() {}

  /// How long ago; `<unknown>` for a time that cannot be read.
  public static String since(@Nullable String time, Instant now) {
    return Times.parse(time).map(it -> human(Duration.between(it, now))).orElse("<unknown>");
  }

  /// As kubectl's own (HumanDuration of k8s.io/apimachinery).
  public static String human(Duration duration) {
    long seconds = Math.max(0, duration.toSeconds());
    if (seconds < 2 * MINUTE) {
      return seconds + "s";
    }
    if (seconds < 10 * MINUTE) {
      return two(seconds, MINUTE, "m", 1, "s");
    }
    if (seconds < 3 * HOUR) {
      return seconds / MINUTE + "m";
    }
    if (seconds < 8 * HOUR) {
      return two(seconds, HOUR, "h", MINUTE, "m");
    }
    if (seconds < 2 * DAY) {
      return seconds / HOUR + "h";
    }
    if (seconds < 8 * DAY) {
      return two(seconds, DAY, "d", HOUR, "h");
    }
    if (seconds < 2 * YEAR) {
      return seconds / DAY + "d";
    }
    return seconds < 8 * YEAR ? two(seconds, YEAR, "y", DAY, "d") : seconds / YEAR + "y";
  }

  private static String two(long seconds, long large, String name, long small, String smallName) {
    long rest = seconds % large / small;
    return seconds / large + name + (rest == 0 ? "" : rest + smallName);
  }
}
