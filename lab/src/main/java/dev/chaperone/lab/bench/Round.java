package dev.chaperone.lab.bench;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.bench.Options.Part;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.function.Supplier;

/// Everything that is measured of one contender on one cluster of one size.
final class Round {
  private static final int DUPLICATES_PER_SAMPLE = 167;
  private static final int NO_OPS_PER_SAMPLE = 50;

  private final Options options;
  private final Figures figures;
  private final Figures.Key key;
  private final Contender.Kind kind;
  private final int nodes;

  Round(Options options, Figures figures, Contender.Kind kind, int nodes) {
    this.options = options;
    this.figures = figures;
    this.key = new Figures.Key(kind, nodes);
    this.kind = kind;
    this.nodes = nodes;
  }

  void run() {
    if (!options.wantsCluster(nodes)) {
      return;
    }
    attempt(
        "a cluster, from its start to its end",
        () -> {
          try (Lab lab = Lab.startLarge()) {
            Fleet fleet = Fleet.on(lab);
            try (Contender contender = kind.start(lab)) {
              fill(fleet, contender);
              if (options.wants(Part.WARM, nodes)) {
                attempt("warm reaction", () -> warm(fleet, contender));
              }
              if (options.wants(Part.FLOOD, nodes) && contender instanceof Functions functions) {
                attempt("duplicates", () -> duplicates(fleet, functions));
                attempt("no-op events", () -> noOps(fleet, functions));
              }
              if (options.wants(Part.STORMS, nodes)) {
                attempt("the Companion goes and comes", () -> comeBack(fleet, contender));
                settle(fleet, contender);
                attempt("the target is rolled", () -> roll(fleet, contender));
              }
            }
            if (options.wants(Part.EVENTS, nodes)) {
              attempt("cost of each event", () -> perEvent(fleet));
            }
          }
        });
  }

  private void attempt(String what, Runnable measure) {
    figures.attempt("%s, %d nodes: %s".formatted(kind.title(), nodes, what), measure);
  }

  /// All nodes are added at once.
  private void fill(Fleet fleet, Contender contender) {
    fleet.companion();
    if (contender instanceof Functions functions) {
      // Their first work, twice: what is measured next is not a cold start.
      pulse(functions);
      pulse(functions);
    }
    fleet.awaitBudgets(false, 0);
    fleet.checkPlaced();
    attempt(
        "all nodes added at once",
        () ->
            storm(
                figures.nodesAdded,
                fleet,
                contender,
                () -> Storm.nodesAdded(fleet, contender, nodes)));
    settle(fleet, contender);
  }

  /// Not measured: makes sure that everything is as it should be.
  private void settle(Fleet fleet, Contender contender) {
    fleet.release();
    if (contender instanceof Functions functions) {
      Wait.until(
          "guards",
          Storm.PATIENCE,
          () -> {
            pulse(functions);
            return fleet.guarded() == nodes;
          },
          () -> "%d target pods, %d guards".formatted(fleet.running(), fleet.guarded()));
      pulse(functions);
    }
    fleet.awaitGuarded(nodes, Storm.PATIENCE);
    fleet.awaitBudgets(false, nodes);
    if (contender instanceof Functions functions) {
      int mark = Calls.mark(fleet.lab());
      long began = System.nanoTime();
      pulse(functions);
      Progress.say(
          "  a resync took %d ms: %s"
              .formatted(
                  (System.nanoTime() - began) / 1_000_000,
                  Calls.since(fleet.lab(), mark, kind.user()).describe()));
    }
  }

  /// Answered badly while the machine is busy with something else, it is simply sent again.
  private static void pulse(Functions functions) {
    try {
      functions.pulse().await();
    } catch (WrongResult e) {
      Progress.say("  ... " + e.getMessage());
    }
  }

  private void warm(Fleet fleet, Contender contender) {
    Warm warm = Warm.measure(fleet, contender, nodes, options.samples());
    figures.warm.put(key, warm);
    figures.residentKib.put(key, contender.jvm().residentKib());
    Progress.say("  closing %s ms, opening %s ms".formatted(warm.closing(), warm.opening()));
  }

  private void duplicates(Fleet fleet, Functions functions) {
    int events = options.samples() * DUPLICATES_PER_SAMPLE;
    flood(figures.duplicates, Flood.duplicates(fleet, functions, events));
  }

  private void noOps(Fleet fleet, Functions functions) {
    int events = options.samples() * NO_OPS_PER_SAMPLE;
    fleet.manyCompanions();
    pulse(functions);
    pulse(functions);
    try {
      flood(figures.noOps, Flood.noOps(fleet, functions, events));
    } finally {
      fleet.deleteManyCompanions();
    }
  }

  private void flood(Map<Integer, Flood> floods, Flood flood) {
    floods.put(nodes, flood);
    Progress.say("  " + flood);
  }

  /// The Companion goes, with its guards and budgets, and comes back.
  private void comeBack(Fleet fleet, Contender contender) {
    fleet.deleteCompanion();
    storm(
        figures.companionMade,
        fleet,
        contender,
        () -> Storm.companionMade(fleet, contender, nodes));
  }

  private void roll(Fleet fleet, Contender contender) {
    storm(
        figures.targetRolled, fleet, contender, () -> Storm.targetRolled(fleet, contender, nodes));
  }

  private void storm(
      Map<Figures.Key, Storm> storms, Fleet fleet, Contender contender, Supplier<Storm> measure) {
    Storm storm;
    if (contender instanceof Functions functions) {
      try (Drive _ = Drive.start(fleet.lab(), functions)) {
        storm = measure.get();
        figures.adaptersKib.put(nodes, Drive.residentKib());
      }
    } else {
      storm = measure.get();
    }
    storms.put(key, storm);
    Progress.say("  " + storm);
  }

  private void perEvent(Fleet fleet) {
    try (Wire wire = Wire.to(fleet.lab().apiServer());
        Contender contender = kind.start(fleet.lab(), wire)) {
      settle(fleet, contender);
      figures.perEvent.put(
          key, PerEvent.measure(fleet, contender, wire, nodes, options.samples() / 4));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
