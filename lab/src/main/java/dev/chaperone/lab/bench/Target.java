package dev.chaperone.lab.bench;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.DoublePredicate;
import java.util.stream.Collectors;

/// What was to be shown, and what was seen. It is met if every figure for it is there and within
/// its limit, to the two decimals that a report shows.
final class Target {
  private final String what;
  private final DoublePredicate within;
  private final String unit;
  private final Map<String, Double> seen = new LinkedHashMap<>();

  private Target(String what, DoublePredicate within, String unit) {
    this.what = what;
    this.within = within;
    this.unit = unit;
  }

  static Target atMost(double limit, String unit, String what) {
    return new Target(what, value -> rounded(value) <= limit, unit);
  }

  static Target atLeast(double limit, String unit, String what) {
    return new Target(what, value -> rounded(value) >= limit, unit);
  }

  /// @param of which of the figures that it is about
  /// @param value `NaN` if there is none
  Target see(String of, double value) {
    seen.put(of, value);
    return this;
  }

  String what() {
    return what;
  }

  String seen() {
    return seen.entrySet().stream()
        .map(figure -> figure.getKey() + " " + shown(figure.getValue()))
        .collect(Collectors.joining("; "));
  }

  String verdict() {
    if (seen.isEmpty() || seen.values().stream().anyMatch(value -> value.isNaN())) {
      return "no figure";
    }
    return seen.values().stream().allMatch(within::test) ? "met" : "**missed**";
  }

  private String shown(double value) {
    if (Double.isNaN(value)) {
      return "–";
    }
    boolean whole = Math.abs(value) >= 100 || value == Math.rint(value);
    return String.format(Locale.ROOT, whole ? "%.0f" : "%.2f", value) + unit;
  }

  private static double rounded(double value) {
    return Math.round(value * 100) / 100.0;
  }
}
