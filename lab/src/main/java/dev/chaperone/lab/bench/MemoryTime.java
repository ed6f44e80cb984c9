package dev.chaperone.lab.bench;

import dev.chaperone.lab.bench.Contender.Kind;
import dev.chaperone.lab.start.ColdStart;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// Memory over the time of a simulated day, in GiB·h.
///
/// @param functions while they run
/// @param peer all day
/// @param adapters of both ApiServerSources, all day; `NaN` if not measured
record MemoryTime(SimulatedDay day, double functions, double peer, double adapters) {
  private static final double KIB_PER_GIB = 1024 * 1024;
  private static final double DAY_HOURS = 24;

  /// The memory is that of the size of cluster that is nearest to this one.
  static Optional<MemoryTime> of(Figures figures, int nodes) {
    Optional<Duration> start = start(figures);
    Optional<Long> functions = nearest(resident(figures, Kind.FUNCTIONS), nodes);
    Optional<Long> peer = nearest(resident(figures, Kind.PEER), nodes);
    if (start.isEmpty() || functions.isEmpty() || peer.isEmpty()) {
      return Optional.empty();
    }
    SimulatedDay day = SimulatedDay.of(nodes, SimulatedDay.Rates.USUAL, start.get());
    return Optional.of(
        new MemoryTime(
            day,
            functions.get() / KIB_PER_GIB * DAY_HOURS * day.share(),
            peer.get() / KIB_PER_GIB * DAY_HOURS,
            nearest(figures.adaptersKib, nodes)
                .map(kib -> kib / KIB_PER_GIB * DAY_HOURS)
                .orElse(Double.NaN)));
  }

  /// From the process' start to the first answer.
  static Optional<Duration> start(Figures figures) {
    return figures.cold.stream()
        .filter(each -> each.variant().writes())
        .filter(each -> each.variant().way() == ColdStart.Way.CACHE_AND_FLAGS)
        .map(ColdStart.Figures::medianAnswered)
        .findFirst();
  }

  private static Map<Integer, Long> resident(Figures figures, Kind kind) {
    Map<Integer, Long> resident = new HashMap<>();
    figures.residentKib.forEach(
        (key, kib) -> {
          if (key.contender() == kind) {
            resident.put(key.nodes(), kib);
          }
        });
    return resident;
  }

  private static Optional<Long> nearest(Map<Integer, Long> bySize, int nodes) {
    return bySize.entrySet().stream()
        .min(
            Comparator.comparingDouble(
                entry -> Math.abs(Math.log((double) entry.getKey() / nodes))))
        .map(Map.Entry::getValue);
  }
}
