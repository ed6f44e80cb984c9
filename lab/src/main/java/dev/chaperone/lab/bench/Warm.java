package dev.chaperone.lab.bench;

import java.util.ArrayList;
import java.util.List;

/// From a change to the budget that answers it, while the contender runs: Holds are made and
/// deleted in turn.
///
/// @param closing from a Hold that was made to a closed budget
/// @param opening from a Hold that was deleted to an open one
record Warm(Spread closing, Spread opening) {
  /// Java compiles what runs often; these do not count.
  private static final int WARM_UP = 60;

  static Warm measure(Fleet fleet, Contender contender, int nodes, int samples) {
    int warmUp = Math.min(WARM_UP, samples);
    List<Long> closing = new ArrayList<>();
    List<Long> opening = new ArrayList<>();
    try (BudgetWatch budget = new BudgetWatch(fleet.lab().client())) {
      for (int i = 0; i < warmUp + samples; i++) {
        fleet.hold();
        long closed = react(budget, contender, true);
        if (i == 0) {
          fleet.awaitBudgets(true, nodes);
        }
        fleet.release();
        long opened = react(budget, contender, false);
        if (i >= warmUp) {
          closing.add(closed);
          opening.add(opened);
        }
      }
    }
    fleet.awaitBudgets(false, nodes);
    fleet.checkGuarded(nodes);
    return new Warm(Spread.ofNanos(closing), Spread.ofNanos(opening));
  }

  /// The clock starts when the API server has answered the change: then the event is posted, and a
  /// watch may already have told the peer.
  private static long react(BudgetWatch budget, Contender contender, boolean close) {
    long began = System.nanoTime();
    Contender.Telling telling =
        contender.tell(close ? "add" : "delete", "Hold", Fleet.NAMESPACE, Fleet.HOLD);
    long seen = budget.await(close);
    telling.await();
    budget.awaitCounted(close);
    return Math.max(0, seen - began);
  }
}
