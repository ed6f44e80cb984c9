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

  /// Between changes that count: who lists the same kind twice within 0.1 s waits, because the API
  /// server asks etcd no more often how far it is. People make Holds less often.
  private static final long APART_MILLIS = 250;

  static Warm measure(Fleet fleet, Contender contender, int nodes, int samples) {
    int warmUp = Math.min(WARM_UP, samples);
    List<Long> closing = new ArrayList<>();
    List<Long> opening = new ArrayList<>();
    try (BudgetWatch budget = new BudgetWatch(fleet.lab().client())) {
      for (int i = 0; i < warmUp + samples; i++) {
        pause(i >= warmUp);
        fleet.hold();
        long closed = react(budget, contender, true);
        if (i == 0) {
          fleet.awaitBudgets(true, nodes);
        }
        pause(i >= warmUp);
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

  private static void pause(boolean counts) {
    if (counts) {
      Wait.pause(APART_MILLIS);
    }
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
