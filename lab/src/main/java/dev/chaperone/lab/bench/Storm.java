package dev.chaperone.lab.bench;

import java.time.Duration;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;

/// Much at once.
///
/// @param settled until everything was as it should be
/// @param reconciles as far as the contender counts them
/// @param peakKib resident memory of the contender, at most
record Storm(
    Duration settled, long reads, long writes, long reconciles, long peakKib, Duration cpu) {
  /// Long enough for 10,000 nodes.
  static final Duration PATIENCE = Duration.ofMinutes(15);

  /// Nodes are added, and all get their guard.
  static Storm nodesAdded(Fleet fleet, Contender contender, int nodes) {
    return measure(
        fleet,
        contender,
        nodes + " nodes added",
        () -> fleet.addNodes(1, nodes),
        () -> fleet.guarded() == nodes,
        () -> "%d target pods, %d guards".formatted(fleet.running(), fleet.guarded()),
        nodes);
  }

  /// The target's nodes are there, and the Companion comes.
  static Storm companionMade(Fleet fleet, Contender contender, int nodes) {
    return measure(
        fleet,
        contender,
        "a Companion for " + nodes + " nodes",
        fleet::companion,
        () -> fleet.guarded() == nodes,
        () -> "%d guards".formatted(fleet.guarded()),
        nodes);
  }

  static Storm targetRolled(Fleet fleet, Contender contender, int nodes) {
    return measure(
        fleet,
        contender,
        "target rolled on " + nodes + " nodes",
        fleet::rollTarget,
        () -> fleet.isRolled(nodes) && fleet.guarded() == nodes,
        fleet::rolled,
        nodes);
  }

  private static Storm measure(
      Fleet fleet,
      Contender contender,
      String what,
      Runnable breaks,
      BooleanSupplier settled,
      Supplier<String> progress,
      int nodes) {
    contender.jvm().forgetPeak();
    int mark = Calls.mark(fleet.lab());
    Duration cpu = contender.jvm().cpu();
    long reconciles = contender.reconciles();
    long began = System.nanoTime();
    breaks.run();
    Wait.until(
        contender.kind().title() + ": " + what,
        PATIENCE,
        () -> {
          WrongResult.unless(contender.jvm().isAlive(), contender.kind().title() + " ended");
          return settled.getAsBoolean();
        },
        progress);
    long ended = System.nanoTime();
    fleet.checkGuarded(nodes);
    fleet.awaitBudgets(false, nodes);
    Calls calls = Calls.since(fleet.lab(), mark, contender.kind().user());
    return new Storm(
        Duration.ofNanos(ended - began),
        calls.reads(),
        calls.writes(),
        contender.reconciles() - reconciles,
        contender.jvm().peakKib(),
        contender.jvm().cpu().minus(cpu));
  }
}
