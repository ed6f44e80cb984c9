package dev.chaperone.lab.bench;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What is to be measured.
///
/// @param sizes of the cluster, in nodes, the smallest first
/// @param companions how many of them where there are many, the fewest first
/// @param samples of each warm reaction; everything else is repeated in proportion
/// @param report where the report goes; absent: standard output
record Options(
    Set<Part> parts,
    List<Integer> sizes,
    List<Integer> companions,
    List<Contender.Kind> contenders,
    int samples,
    @Nullable Path report) {

  static final String USAGE =
      """
      usage: scripts/bench [PART…] [--nodes 10,1000,…] [--companions 10,1000,…] [--only functions|peer] [--samples N] [--report FILE]
      parts: %s; none: all of them, with the report in docs/benchmarks.md
      the report of some parts leaves what FILE has of the others"""
          .formatted(
              Stream.of(Part.values())
                  .map(it -> it.name().toLowerCase(Locale.ROOT))
                  .collect(Collectors.joining(" ")));

  private static final List<Integer> SIZES = List.of(10, 100, 1000, 5000);
  private static final List<Integer> COMPANIONS = List.of(10, 100, 1000);
  private static final int SAMPLES = 60;
  private static final int SAMPLES_PER_COLD_START = 6;

  /// A part of the benchmark.
  enum Part {
    COLD,
    WARM,
    CHAIN,
    EVENTS,
    FLOOD,
    STORMS,
    DAY,
    MANY {
      @Override
      Optional<OwnPart> own() {
        return Optional.of(new Many());
      }
    },
    REFUSAL {
      @Override
      Optional<OwnPart> own() {
        return Optional.of(new Refusal());
      }
    };

    /// Measures it and says what was seen; empty: that is for [Round] and [Bench], [Report] and
    /// [Targets].
    Optional<OwnPart> own() {
      return Optional.empty();
    }
  }

  /// @throws IllegalArgumentException if they are not understood
  static Options parse(String... arguments) {
    Set<Part> parts = EnumSet.noneOf(Part.class);
    List<Integer> sizes = SIZES;
    List<Integer> companions = COMPANIONS;
    List<Contender.Kind> contenders = List.of(Contender.Kind.values());
    int samples = SAMPLES;
    Path report = null;
    List<String> left = new ArrayList<>(Arrays.asList(arguments));
    while (!left.isEmpty()) {
      String next = left.removeFirst();
      if (!next.startsWith("--")) {
        parts.add(Part.valueOf(next.toUpperCase(Locale.ROOT)));
        continue;
      }
      if (left.isEmpty()) {
        throw new IllegalArgumentException(next + " needs a value");
      }
      String value = left.removeFirst();
      switch (next) {
        case "--nodes" -> sizes = sorted(value);
        case "--companions" -> companions = sorted(value);
        case "--only" ->
            contenders = List.of(Contender.Kind.valueOf(value.toUpperCase(Locale.ROOT)));
        case "--samples" -> samples = Integer.parseInt(value);
        case "--report" -> report = Path.of(value);
        default -> throw new IllegalArgumentException("unknown option " + next);
      }
    }
    if (parts.isEmpty()) {
      parts = EnumSet.allOf(Part.class);
      report = report == null ? Contender.home().resolve("docs/benchmarks.md") : report;
    }
    if (parts.contains(Part.DAY)) {
      // A day is made of starts and of the memory of what runs.
      parts.addAll(Set.of(Part.COLD, Part.WARM));
    }
    return new Options(parts, sizes, companions, contenders, samples, report);
  }

  private static List<Integer> sorted(String numbers) {
    return Arrays.stream(numbers.split(",")).map(Integer::valueOf).sorted().toList();
  }

  boolean wants(Part part) {
    return parts.contains(part);
  }

  /// Costs of one event are compared between the ends; storms are for the largest.
  boolean wants(Part part, int nodes) {
    return wants(part)
        && switch (part) {
          case WARM -> true;
          case EVENTS, FLOOD -> nodes == smallest() || nodes == largest();
          case STORMS -> nodes == largest();
          // Not on these clusters.
          default -> false;
        };
  }

  boolean wantsCluster(int nodes) {
    return parts.stream().anyMatch(part -> wants(part, nodes));
  }

  int coldStarts() {
    return Math.max(3, samples / SAMPLES_PER_COLD_START);
  }

  int smallest() {
    return sizes.getFirst();
  }

  int largest() {
    return sizes.getLast();
  }
}
