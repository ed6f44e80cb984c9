package dev.chaperone.lab.bench;

import java.util.Collection;
import java.util.List;
import java.util.Locale;

/// How long the same thing took, many times.
record Spread(List<Double> sortedMillis) {

  static Spread ofNanos(Collection<Long> nanos) {
    return new Spread(nanos.stream().map(it -> it / 1e6).sorted().toList());
  }

  int count() {
    return sortedMillis.size();
  }

  double p50() {
    return quantile(0.5);
  }

  double p99() {
    return quantile(0.99);
  }

  double max() {
    return sortedMillis.getLast();
  }

  /// The smallest time within which this share of all was done.
  double quantile(double share) {
    int rank = (int) Math.ceil(share * sortedMillis.size());
    return sortedMillis.get(Math.clamp(rank - 1, 0, sortedMillis.size() - 1));
  }

  /// `p50 / p99 / max`, in milliseconds.
  @Override
  public String toString() {
    return String.format(Locale.ROOT, "%.1f / %.1f / %.1f", p50(), p99(), max());
  }
}
