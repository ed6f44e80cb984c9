package dev.chaperone.lab.bench;

import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;

/// What one occurrence costs the contender and the API server.
///
/// @param bytes to and from the API server, on the wire
record PerEvent(double reads, double writes, double bytes, double cpuMillis, double allocated) {
  private static final int WARM_UP = 40;

  /// Until the peer, which says nothing, has done its part.
  private static final long QUIET_MILLIS = 100;

  /// Something that happens.
  enum Occurrence {
    NO_OP("no-op", "the target is annotated"),
    FLIP("flip", "a Hold is made, or deleted"),
    CORDON("cordon", "a guarded node is cordoned, or uncordoned"),
    NEW_NODE("new node", "a node is added, its guard made and bound");

    private final String word;
    private final String title;

    Occurrence(String word, String title) {
      this.word = word;
      this.title = title;
    }

    String word() {
      return word;
    }

    String title() {
      return title;
    }
  }

  /// @param wire that the contender uses
  /// @param pairs so often each happens twice: there and back
  static Map<Occurrence, PerEvent> measure(
      Fleet fleet, Contender contender, Wire wire, int nodes, int pairs) {
    int times = 2 * Math.max(1, pairs);
    for (int i = 0; i < Math.min(WARM_UP, times); i++) {
      happen(fleet, contender, Occurrence.NO_OP, i, nodes);
      happen(fleet, contender, Occurrence.FLIP, i, nodes);
    }
    Map<Occurrence, PerEvent> costs = new EnumMap<>(Occurrence.class);
    for (Occurrence occurrence : Occurrence.values()) {
      Progress.say("  ... " + occurrence.word());
      int repeats = occurrence == Occurrence.NEW_NODE ? Math.max(2, times / 10) : times;
      costs.put(occurrence, measure(fleet, contender, wire, nodes, occurrence, repeats));
    }
    return costs;
  }

  private static PerEvent measure(
      Fleet fleet, Contender contender, Wire wire, int nodes, Occurrence occurrence, int times) {
    Wait.pause(10 * QUIET_MILLIS);
    long allocated = contender.jvm().allocated();
    Wait.pause(QUIET_MILLIS);
    long attaching = contender.jvm().allocated() - allocated;
    int mark = Calls.mark(fleet.lab());
    long bytes = wire.sent() + wire.received();
    long cpu = contender.jvm().cpu().toMillis();
    allocated = contender.jvm().allocated();
    for (int i = 0; i < times; i++) {
      happen(fleet, contender, occurrence, i, nodes);
    }
    Wait.pause(10 * QUIET_MILLIS);
    Calls calls = Calls.since(fleet.lab(), mark, contender.kind().user());
    double n = times;
    PerEvent cost =
        new PerEvent(
            calls.reads() / n,
            calls.writes() / n,
            (wire.sent() + wire.received() - bytes) / n,
            (contender.jvm().cpu().toMillis() - cpu) / n,
            (contender.jvm().allocated() - allocated - attaching) / n);
    Progress.say("    " + calls.describe());
    fleet.awaitBudgets(false, nodes + (occurrence == Occurrence.NEW_NODE ? times : 0));
    WrongResult.unless(
        occurrence != Occurrence.NO_OP || calls.writes() == 0,
        "a no-op was answered with writes: " + calls.describe());
    return cost;
  }

  private static void happen(
      Fleet fleet, Contender contender, Occurrence occurrence, int number, int nodes) {
    boolean first = number % 2 == 0;
    switch (occurrence) {
      case NO_OP -> {
        fleet.annotateTarget(number);
        contender.tell("update", "DaemonSet", Fleet.NAMESPACE, Fleet.TARGET).await();
      }
      case FLIP -> {
        if (first) {
          fleet.hold();
        } else {
          fleet.release();
        }
        contender.tell(first ? "add" : "delete", "Hold", Fleet.NAMESPACE, Fleet.HOLD).await();
        fleet.awaitBudgets(first, nodes);
      }
      case CORDON -> {
        fleet.cordon(1, first);
        contender.tell("update", "Node", "", Fleet.node(1)).await();
      }
      case NEW_NODE -> {
        int added = nodes + number + 1;
        fleet.addNodes(added, added);
        fleet.awaitRunning(added);
        // Told once its pod runs, so that how many reads it takes is no matter of chance.
        contender.tell("add", "Node", "", Fleet.node(added)).await();
        contender.tell("update", "DaemonSet", Fleet.NAMESPACE, Fleet.TARGET).await();
        fleet.awaitGuardPods(added);
        contender.tell("add", "Pod", Fleet.NAMESPACE, Fleet.GUARDS).await();
        fleet.awaitGuarded(added, Duration.ofMinutes(1));
        contender.tell("update", "DaemonSet", Fleet.NAMESPACE, Fleet.COMPANION).await();
      }
    }
    Wait.pause(QUIET_MILLIS);
  }
}
