package dev.chaperone.lab.bench;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/// How long the functions run over a day in a cluster of some size. The day is made up, by the
/// rates below; how long one start takes, and how much memory is used, are measured.
///
/// @param awake of the functions, in seconds of the day
/// @param starts of the functions
record SimulatedDay(int nodes, double awake, int starts) {
  static final int SECONDS = 24 * 60 * 60;

  /// What a day is like.
  ///
  /// @param pulse while nothing is pending
  /// @param pulsePending while something is
  /// @param replaced share of the nodes that are drained, deleted and replaced in a day
  /// @param replacing how long that takes, with events all along
  /// @param restarted share of the target's pods, and of the follower's, that go down and come back
  /// @param restarting how long that takes
  /// @param holds made and deleted in a day
  /// @param holding how long each is there
  record Rates(
      Duration pulse,
      Duration pulsePending,
      double replaced,
      Duration replacing,
      double restarted,
      Duration restarting,
      int holds,
      Duration holding) {

    static final Rates USUAL =
        new Rates(
            Duration.ofMinutes(10),
            Duration.ofMinutes(1),
            1.0 / 30 + 0.05,
            Duration.ofMinutes(5),
            0.02,
            Duration.ofSeconds(20),
            4,
            Duration.ofHours(1));
  }

  /// With which Knative Serving ends what is idle: knative/base/service.yaml has a window of 10 s;
  /// the autoscaler looks every 2 s, and the process ends within one more. Its grace period of 30 s
  /// does not count, because the activator is always in the path (target-burst-capacity: -1).
  static final Duration STAYS = Duration.ofSeconds(13);

  private static final Duration EVENTS_APART = Duration.ofSeconds(5);

  /// @param start from an event to its answer, when the functions have to start
  static SimulatedDay of(int nodes, Rates rates, Duration start) {
    // The same day each time.
    Random random = new Random(nodes);
    List<Double> events = new ArrayList<>();
    times(rates.pulse(), 0, SECONDS, events);
    for (int i = 0; i < Math.round(nodes * rates.replaced()); i++) {
      double begin = random.nextDouble(SECONDS);
      double end = begin + rates.replacing().toSeconds();
      times(EVENTS_APART, begin, begin + rates.replacing().toSeconds() / 3.0, events);
      times(rates.pulsePending(), begin, end, events);
      times(EVENTS_APART, end - 30, end, events);
    }
    for (int i = 0; i < Math.round(2 * nodes * rates.restarted()); i++) {
      double down = random.nextDouble(SECONDS);
      events.add(down);
      events.add(down + rates.restarting().toSeconds());
    }
    for (int i = 0; i < rates.holds(); i++) {
      double made = random.nextDouble(SECONDS);
      events.add(made);
      events.add(made + rates.holding().toSeconds());
    }
    return awake(nodes, events, start);
  }

  private static void times(Duration apart, double from, double to, List<Double> events) {
    for (double time = from; time < to; time += apart.toSeconds()) {
      events.add(time);
    }
  }

  private static SimulatedDay awake(int nodes, List<Double> events, Duration start) {
    double awake = 0;
    int starts = 0;
    double until = -1;
    for (double event : events.stream().filter(it -> it < SECONDS).sorted().toList()) {
      double busy = event;
      if (event > until) {
        starts++;
        busy += start.toMillis() / 1e3;
        awake += busy - event;
        until = busy;
      }
      double stays = busy + STAYS.toSeconds();
      awake += stays - until;
      until = stays;
    }
    return new SimulatedDay(nodes, Math.min(awake, SECONDS), starts);
  }

  double share() {
    return awake / SECONDS;
  }
}
