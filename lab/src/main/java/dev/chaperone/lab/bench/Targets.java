package dev.chaperone.lab.bench;

import dev.chaperone.lab.bench.Contender.Kind;
import dev.chaperone.lab.bench.Options.Part;
import dev.chaperone.lab.bench.PerEvent.Occurrence;
import dev.chaperone.lab.start.ColdStart.Way;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/// What the figures were to show, and whether they do. What was asked for and has no figure is a
/// target that has none; what was not asked for is left out.
final class Targets {
  private static final List<Occurrence> SAME_AT_ANY_SIZE =
      List.of(Occurrence.NO_OP, Occurrence.FLIP, Occurrence.CORDON);
  private static final int DAY = 50;

  private final Options options;
  private final Figures figures;
  private final List<Target> all = new ArrayList<>();

  private Targets(Options options, Figures figures) {
    this.options = options;
    this.figures = figures;
  }

  static List<Target> of(Options options, Figures figures) {
    Targets targets = new Targets(options, figures);
    for (Part part : options.parts()) {
      targets.of(part);
    }
    return List.copyOf(targets.all);
  }

  private void of(Part part) {
    switch (part) {
      case COLD -> cold();
      case WARM -> warm();
      case CHAIN -> {}
      case EVENTS -> perEvent();
      case FLOOD -> flood();
      case STORMS -> storms();
      case DAY -> day();
      default -> all.addAll(figures.own(part).targets());
    }
  }

  private Target atMost(double limit, String what) {
    return add(Target.atMost(limit, "", what));
  }

  private Target add(Target target) {
    all.add(target);
    return target;
  }

  private void cold() {
    double plain = cold("functions", Way.PLAIN);
    atMost(0.45, "Cold start ≤ 0.45 × plain JVM")
        .see(Way.CACHE.title(), cold("functions", Way.CACHE) / plain)
        .see(Way.CACHE_AND_FLAGS.title(), cold("functions", Way.CACHE_AND_FLAGS) / plain);
    Target floor = atMost(1.5, "Cold start ≤ 1.5 × the empty function's, started alike");
    for (Way way : List.of(Way.CACHE, Way.CACHE_AND_FLAGS)) {
      floor.see(way.title(), cold("functions", way) / cold("floor", way));
    }
  }

  private double cold(String who, Way way) {
    return figures.cold.stream()
        .filter(each -> each.variant().who().equals(who) && each.variant().way() == way)
        .mapToDouble(each -> each.medianAnswered().toNanos())
        .findFirst()
        .orElse(Double.NaN);
  }

  private void perEvent() {
    if (options.smallest() == options.largest()) {
      return;
    }
    String ends = "at %d nodes ".formatted(options.largest());
    String smallest = " at %d".formatted(options.smallest());
    Target reads = atMost(1, "Reads of an event " + ends + "= those" + smallest);
    Target bytes = atMost(1.2, "Bytes of an event " + ends + "≤ 1.2 × those" + smallest);
    for (Occurrence occurrence : SAME_AT_ANY_SIZE) {
      reads.see(occurrence.word(), growth(occurrence, PerEvent::reads));
      bytes.see(occurrence.word(), growth(occurrence, PerEvent::bytes));
    }
    reads.see(Occurrence.NEW_NODE.word(), growth(Occurrence.NEW_NODE, PerEvent::reads));
    atMost(2, "A new node " + ends + "≤ 2 × one" + smallest)
        .see("CPU", growth(Occurrence.NEW_NODE, PerEvent::cpuMillis))
        .see("bytes", growth(Occurrence.NEW_NODE, PerEvent::bytes));
  }

  private double growth(Occurrence occurrence, ToDoubleFunction<PerEvent> value) {
    return perEvent(occurrence, options.largest(), value)
        / perEvent(occurrence, options.smallest(), value);
  }

  private double perEvent(Occurrence occurrence, int nodes, ToDoubleFunction<PerEvent> value) {
    return Figures.of(figures.perEvent, Kind.FUNCTIONS, nodes)
        .map(costs -> costs.get(occurrence))
        .map(value::applyAsDouble)
        .orElse(Double.NaN);
  }

  private void warm() {
    int smallest = options.smallest();
    int largest = options.largest();
    if (smallest != largest) {
      atMost(1.3, "Warm p50 at %d nodes ≤ 1.3 × that at %d".formatted(largest, smallest))
          .see("closing", closing(Kind.FUNCTIONS, largest) / closing(Kind.FUNCTIONS, smallest))
          .see("opening", opening(Kind.FUNCTIONS, largest) / opening(Kind.FUNCTIONS, smallest));
    }
    Target peer = atMost(1.5, "Reaction p50 ≤ 1.5 × the peer's");
    for (int nodes : options.sizes()) {
      peer.see("closing at " + nodes, closing(Kind.FUNCTIONS, nodes) / closing(Kind.PEER, nodes))
          .see("opening at " + nodes, opening(Kind.FUNCTIONS, nodes) / opening(Kind.PEER, nodes));
    }
  }

  private double closing(Kind kind, int nodes) {
    return value(figures.warm, kind, nodes, warm -> warm.closing().p50());
  }

  private double opening(Kind kind, int nodes) {
    return value(figures.warm, kind, nodes, warm -> warm.opening().p50());
  }

  private void flood() {
    Target rate = add(Target.atLeast(300, "/s", "No-op events ≥ 300 a second"));
    Target writes = atMost(0, "No-op events: 0 writes");
    Target runs = atMost(200, "Duplicates for one Companion ≤ 200 reconciles");
    for (int nodes : options.sizes()) {
      if (options.wants(Part.FLOOD, nodes)) {
        String at = " at " + nodes;
        Optional<Flood> many = Optional.ofNullable(figures.noOps.get(nodes));
        Optional<Flood> one = Optional.ofNullable(figures.duplicates.get(nodes));
        rate.see(Fleet.HOW_MANY + " Companions" + at, value(many, Flood::perSecond));
        rate.see("one" + at, value(one, Flood::perSecond));
        writes.see(Fleet.HOW_MANY + " Companions" + at, value(many, Flood::writes));
        writes.see("one" + at, value(one, Flood::writes));
        runs.see(
            one.map(it -> it.events() + " events").orElse("events") + at,
            value(one, Flood::reconciles));
      }
    }
  }

  private void day() {
    Target day = atMost(0.1, "Memory × time over a day of 50 nodes ≤ 0.1 × the peer's");
    MemoryTime.of(figures, DAY)
        .ifPresentOrElse(
            it -> day.see("functions / peer", it.functions() / it.peer()),
            () -> day.see("functions / peer", Double.NaN));
  }

  private void storms() {
    int nodes = options.largest();
    Target time =
        atMost(1.5, "%d guards made and bound within 1.5 × the peer's time".formatted(nodes));
    Target memory = add(Target.atMost(256, " MiB", "Memory at its peak ≤ 256 MiB"));
    storm(time, memory, "a Companion comes", figures.companionMade);
    storm(time, memory, "nodes are added", figures.nodesAdded);
    memory.see("the target is rolled", peakMib(figures.targetRolled));
  }

  private void storm(Target time, Target memory, String what, Map<Figures.Key, Storm> storms) {
    ToDoubleFunction<Storm> settled = storm -> storm.settled().toNanos();
    int nodes = options.largest();
    time.see(
        what,
        value(storms, Kind.FUNCTIONS, nodes, settled) / value(storms, Kind.PEER, nodes, settled));
    memory.see(what, peakMib(storms));
  }

  private double peakMib(Map<Figures.Key, Storm> storms) {
    return value(
        storms, Kind.FUNCTIONS, options.largest(), storm -> storm.peakKib() / Report.KIB_PER_MIB);
  }

  private static <T> double value(
      Map<Figures.Key, T> all, Kind kind, int nodes, ToDoubleFunction<T> value) {
    return value(Figures.of(all, kind, nodes), value);
  }

  private static <T> double value(Optional<T> figure, ToDoubleFunction<T> value) {
    return figure.map(value::applyAsDouble).orElse(Double.NaN);
  }
}
