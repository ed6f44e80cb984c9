package dev.chaperone.lab.bench;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.knative.Eventing;
import dev.chaperone.lab.knative.Serving;
import dev.chaperone.lab.net.HostRouter.Passing;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/// From a change to the budget that answers it, through real sources, a real Broker and a real
/// channel, and how much of it each took.
///
/// @param changes so often a Hold was made or deleted
/// @param whole from a Hold that was made or deleted to the budget
/// @param hops each part's share
record Chain(int changes, Spread whole, Map<Hop, Spread> hops) {
  private static final int WARM_UP = 5;
  private static final int NODES = 10;
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final Duration SILENCE = Duration.ofSeconds(1);
  private static final Duration LONG_SILENCE = Duration.ofSeconds(5);
  private static final Duration STAYS = Duration.ofMinutes(10);

  /// Where an event is on its way, by who is asked to take it next.
  enum Hop {
    SOURCE("ApiServerSource: watch → event posted", "broker-ingress."),
    INGRESS("Broker ingress → channel", "-kn-channel."),
    CHANNEL("channel → Broker filter", "broker-filter."),
    FILTER("Broker filter → functions", "functions."),
    FUNCTIONS("functions → budget seen", "");

    private final String title;

    /// In the name of the host that is asked at its end.
    private final String next;

    Hop(String title, String next) {
      this.title = title;
      this.next = next;
    }

    String title() {
      return title;
    }
  }

  static Chain measure(int samples) {
    try (Lab lab = Lab.startLarge();
        Eventing eventing = Eventing.start(lab);
        Serving _ = Serving.start(eventing, functions())) {
      lab.apply(Contender.home().resolve("knative"));
      // A source never watches a kind that the cluster did not know when it started.
      lab.awaitListed("companions", "holds");
      lab.apply(Contender.home().resolve("triggers"));
      Progress.say("  ... Knative is up; Broker, Triggers and sources become ready");
      eventing.awaitReady();
      Fleet fleet = Fleet.on(lab);
      fleet.companion();
      fleet.addNodes(1, NODES);
      fleet.awaitGuarded(NODES, PATIENCE);
      fleet.awaitBudgets(false, NODES);
      return measure(fleet, eventing, samples);
    }
  }

  /// They stay, so that no start is measured.
  private static Serving.Program functions() {
    return new Serving.Program(Functions.command(), Map.of(), STAYS);
  }

  private static Chain measure(Fleet fleet, Eventing eventing, int samples) {
    BlockingQueue<Passing> passing = new LinkedBlockingQueue<>();
    eventing.router().observe(passing::add);
    int warmUp = Math.min(WARM_UP, samples);
    List<Long> whole = new ArrayList<>();
    Map<Hop, List<Long>> hops = new EnumMap<>(Hop.class);
    // A source sends one event after another, and there was one for each change of each guard.
    awaitSilence(passing, LONG_SILENCE);
    try (BudgetWatch budget = new BudgetWatch(fleet.lab().client())) {
      for (int i = 0; i < 2 * (warmUp + samples); i++) {
        boolean close = i % 2 == 0;
        awaitSilence(passing, SILENCE);
        long began = change(fleet, close);
        long seen = budget.await(close);
        budget.awaitCounted(close);
        Optional<Map<Hop, Long>> shares =
            share(began, seen, close ? ".add" : ".delete", List.copyOf(passing));
        if (i >= 2 * warmUp && shares.isPresent()) {
          whole.add(seen - began);
          shares
              .get()
              .forEach((hop, time) -> hops.computeIfAbsent(hop, _ -> new ArrayList<>()).add(time));
        }
      }
    }
    eventing.router().observe(_ -> {});
    fleet.awaitBudgets(false, NODES);
    fleet.checkGuarded(NODES);
    WrongResult.unless(
        whole.size() > samples,
        "only %d of %d changes were answered by their own event"
            .formatted(whole.size(), 2 * samples));
    Map<Hop, Spread> spreads = new EnumMap<>(Hop.class);
    hops.forEach((hop, times) -> spreads.put(hop, Spread.ofNanos(times)));
    return new Chain(2 * samples, Spread.ofNanos(whole), spreads);
  }

  /// What the functions wrote comes back as events; one that is still under way would make them
  /// look before the next Hold's own event does.
  private static void awaitSilence(BlockingQueue<Passing> passing, Duration silence) {
    try {
      while (passing.poll(silence.toMillis(), TimeUnit.MILLISECONDS) != null) {
        // not yet
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new WrongResult("interrupted");
    }
  }

  private static long change(Fleet fleet, boolean close) {
    if (close) {
      fleet.hold();
    } else {
      fleet.release();
    }
    return System.nanoTime();
  }

  /// Of the Hold's own event; nothing if another one that was still under way was faster.
  ///
  /// @param type what the event's type ends with
  private static Optional<Map<Hop, Long>> share(
      long began, long seen, String type, List<Passing> passings) {
    String event =
        passings.stream()
            .filter(it -> it.type().endsWith(type) && it.name().equals(Fleet.HOLD))
            .findFirst()
            .map(Passing::id)
            .orElse("none");
    Map<Hop, Long> shares = new EnumMap<>(Hop.class);
    long from = began;
    for (Hop hop : Hop.values()) {
      long to =
          hop == Hop.FUNCTIONS
              ? seen
              : passings.stream()
                  .filter(it -> it.id().equals(event) && it.host().contains(hop.next))
                  .mapToLong(Passing::nanoTime)
                  .min()
                  .orElse(Long.MAX_VALUE);
      if (to > seen) {
        return Optional.empty();
      }
      shares.put(hop, Math.max(0, to - from));
      from = to;
    }
    return Optional.of(shares);
  }
}
