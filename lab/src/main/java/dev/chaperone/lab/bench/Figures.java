package dev.chaperone.lab.bench;

import dev.chaperone.lab.bench.PerEvent.Occurrence;
import dev.chaperone.lab.start.ColdStart;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What was seen. What went wrong has no figure.
final class Figures {
  /// One contender on one size of cluster.
  record Key(Contender.Kind contender, int nodes) {}

  /// Something that was measured.
  ///
  /// @param wrong why it has no figure; empty if all was right
  record Run(String what, Duration took, String wrong) {}

  List<ColdStart.Figures> cold = List.of();
  final Map<Key, Warm> warm = new LinkedHashMap<>();
  final Map<Key, Map<Occurrence, PerEvent>> perEvent = new LinkedHashMap<>();
  final Map<Key, Storm> nodesAdded = new LinkedHashMap<>();
  final Map<Key, Storm> companionMade = new LinkedHashMap<>();
  final Map<Key, Storm> targetRolled = new LinkedHashMap<>();

  /// Resident memory when warm.
  final Map<Key, Long> residentKib = new LinkedHashMap<>();

  /// Resident memory of the ApiServerSource adapters together, by nodes.
  final Map<Integer, Long> adaptersKib = new LinkedHashMap<>();

  /// By nodes: events for one Companion, and for many in turn.
  final Map<Integer, Flood> duplicates = new LinkedHashMap<>();

  final Map<Integer, Flood> noOps = new LinkedHashMap<>();
  @Nullable Chain chain;

  private final Map<Options.Part, OwnPart> own = new EnumMap<>(Options.Part.class);

  /// In the order of their ends.
  final List<Run> runs = new ArrayList<>();

  /// Of a part that is a class of its own.
  OwnPart own(Options.Part part) {
    return own.computeIfAbsent(part, it -> it.own().orElseThrow());
  }

  /// Does it, or notes why it has no figure.
  void attempt(String what, Runnable measure) {
    Progress.say(what);
    long began = System.nanoTime();
    String wrong = "";
    try {
      measure.run();
    } catch (RuntimeException | AssertionError e) {
      wrong = String.valueOf(e.getMessage()).lines().findFirst().orElse(e.toString());
      if (!(e instanceof WrongResult)) {
        e.printStackTrace();
      }
      Progress.say("NO FIGURE for " + what + ": " + wrong);
    }
    runs.add(new Run(what, Duration.ofNanos(System.nanoTime() - began), wrong));
  }

  boolean isComplete() {
    return runs.stream().allMatch(run -> run.wrong().isEmpty());
  }

  static <T> Optional<T> of(Map<Key, T> figures, Contender.Kind contender, int nodes) {
    return Optional.ofNullable(figures.get(new Key(contender, nodes)));
  }
}
