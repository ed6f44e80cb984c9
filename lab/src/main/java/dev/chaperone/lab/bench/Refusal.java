package dev.chaperone.lab.bench;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.PodEviction;
import dev.chaperone.lab.bench.Contender.Kind;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// From a Hold to the first eviction of a guard that is refused: by the admission policies, which
/// come with the functions and wait for no event, or by the peer's budget. Evictions are dry runs,
/// one after the other.
final class Refusal implements OwnPart {
  private static final int NODES = 3;

  /// Java compiles what runs often; these do not count.
  private static final int WARM_UP = 10;

  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final String POLICIES = "knative/policies";

  private final Map<Kind, Spread> gaps = new EnumMap<>(Kind.class);

  @Override
  public void measure(Options options, Figures figures) {
    for (Kind kind : options.contenders()) {
      figures.attempt(
          kind.title() + ": from a Hold to the first refused eviction",
          () -> {
            try (Lab lab = Lab.start()) {
              Fleet fleet = Fleet.on(lab);
              if (kind == Kind.FUNCTIONS) {
                lab.apply(Contender.home().resolve(POLICIES));
              }
              try (Contender contender = kind.start(lab)) {
                guard(fleet, contender);
                gaps.put(kind, measure(fleet, contender, options.samples()));
              }
            }
          });
    }
  }

  @Override
  public String section() {
    Table table = new Table("who", "refuses", "ms (p50 / p99 / max)", "times");
    gaps.forEach(
        (kind, gap) ->
            table.row(
                kind.title(),
                kind == Kind.FUNCTIONS ? "an admission policy" : "the budget",
                gap,
                gap.count()));
    return Report.section(
        "From a Hold to a refused eviction",
        """
        From the API server's answer to a Hold that is made, to the first eviction of a guard that it refuses, tried as dry runs one after the
        other, on %d nodes; the answer to the last one is in it. The functions get the event at the start, as above.
        """
            .formatted(NODES),
        table,
        "");
  }

  @Override
  public List<Target> targets() {
    return List.of(
        Target.atMost(0.5, "", "From a Hold to a refused eviction p50 ≤ 0.5 × the peer's")
            .see("policy / peer's budget", p50(Kind.FUNCTIONS) / p50(Kind.PEER)));
  }

  private double p50(Kind kind) {
    return Optional.ofNullable(gaps.get(kind)).map(Spread::p50).orElse(Double.NaN);
  }

  private static void guard(Fleet fleet, Contender contender) {
    fleet.companion();
    fleet.addNodes(1, NODES);
    fleet.awaitRunning(NODES);
    Wait.until(
        "guards",
        PATIENCE,
        () -> {
          if (contender instanceof Functions functions) {
            functions.pulse().await();
          }
          return fleet.guarded() == NODES;
        },
        () -> fleet.guarded() + " of them");
    fleet.awaitBudgets(false, NODES);
  }

  private static Spread measure(Fleet fleet, Contender contender, int samples) {
    KubernetesClient client = fleet.lab().client();
    Pod guard = fleet.aGuard();
    List<Long> gaps = new ArrayList<>();
    for (int i = 0; i < WARM_UP + samples; i++) {
      Wait.until("an eviction that passes", PATIENCE, () -> passes(client, guard), () -> "refused");
      fleet.hold();
      long began = System.nanoTime();
      Contender.Telling closing = contender.tell("add", "Hold", Fleet.NAMESPACE, Fleet.HOLD);
      while (passes(client, guard)) {
        WrongResult.unless(
            System.nanoTime() - began < PATIENCE.toNanos(), "evictions pass beside a Hold");
      }
      long gap = System.nanoTime() - began;
      closing.await();
      fleet.awaitBudgets(true, NODES);
      fleet.release();
      contender.tell("delete", "Hold", Fleet.NAMESPACE, Fleet.HOLD).await();
      if (i >= WARM_UP) {
        gaps.add(gap);
      }
    }
    fleet.checkGuarded(NODES);
    return Spread.ofNanos(gaps);
  }

  private static boolean passes(KubernetesClient client, Pod guard) {
    int answer =
        PodEviction.dryRun(
            client, guard.getMetadata().getNamespace(), guard.getMetadata().getName());
    WrongResult.unless(
        List.of(PodEviction.PASSED, 403, 429).contains(answer),
        "an eviction was answered " + answer);
    return answer == PodEviction.PASSED;
  }
}
