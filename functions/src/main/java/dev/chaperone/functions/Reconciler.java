package dev.chaperone.functions;

import dev.chaperone.api.Hold;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.ClusterWriter;
import dev.chaperone.cluster.Concern;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.LostRace;
import dev.chaperone.cluster.SharedRuns;
import dev.chaperone.cluster.Unavailable;
import dev.chaperone.decide.Change;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Decision;
import dev.chaperone.decide.Decision.Refusal;
import dev.chaperone.decide.Holds;
import dev.chaperone.decide.ObjectRef;
import dev.chaperone.decide.Occasion;
import dev.chaperone.decide.OwnBudgets;
import dev.chaperone.decide.Pulse;
import dev.chaperone.decide.Snapshot;
import dev.chaperone.telemetry.Metrics;
import dev.chaperone.telemetry.Span;
import dev.chaperone.telemetry.Tracing;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jboss.logging.Logger;

/// The way of one event: which Companions does it concern, and for each of them: read, decide,
/// write.
@ApplicationScoped
class Reconciler {
  private static final Logger LOG = Logger.getLogger(Reconciler.class);
  private static final int RACES = 5;

  /// After a run for one Companion while its events queue, so that more of them share the next.
  private static final Duration PAUSE = Duration.ofMillis(50);

  private final ClusterReader reader;
  private final ClusterWriter writer;
  private final Metrics metrics;
  private final Tracing tracing;
  private final Clock clock = Clock.systemUTC();
  private final Duration patience;
  private final SharedRuns<CompanionRef, Occasion, Outcome> runs =
      new SharedRuns<>(Occasion::and, PAUSE);

  Reconciler(
      ClusterReader reader,
      ClusterWriter writer,
      Metrics metrics,
      Tracing tracing,
      @ConfigProperty(name = "chaperone.event-deadline") Duration patience) {
    this.reader = reader;
    this.writer = writer;
    this.metrics = metrics;
    this.tracing = tracing;
    this.patience = patience;
  }

  /// By when an event that came now is to be answered.
  Deadline begin() {
    return Deadline.in(patience);
  }

  /// Looks again at every Companion that the object concerns.
  ///
  /// @return the answers that turned
  /// @throws Unavailable when the API server does not answer; the same event again finishes the
  ///     rest
  List<Answer> react(ObjectRef object, Occasion occasion, Deadline deadline) {
    Concern concern = reader.concern(object, deadline);
    concern.hold().ifPresent(hold -> closeAtOnce(hold, deadline));
    return reconcile(concern.companions(), occasion, deadline);
  }

  /// Looks again at everything.
  ///
  /// @return the answers that turned
  /// @throws Unavailable when the API server does not answer; the same event again finishes the
  ///     rest
  List<Answer> pulse() {
    Deadline deadline = begin();
    return reconcile(reader.everyone(deadline), Occasion.PULSE, deadline);
  }

  /// A new Hold closes before its Companion's turn comes and before anything is listed, each of
  /// which can take a while.
  private void closeAtOnce(Hold hold, Deadline deadline) {
    if (Holds.isNew(hold, clock.instant())) {
      CompanionRef ref = CompanionRef.of(hold);
      try {
        Optional<OwnBudgets> own = reader.ownBudgets(ref, deadline);
        writer.write(own.map(OwnBudgets::closing).orElse(List.of()), deadline);
      } catch (LostRace e) {
        LOG.debugf("%s: not closed at once: %s", ref, e.getMessage());
      }
    }
  }

  private List<Answer> reconcile(
      Collection<CompanionRef> companions, Occasion occasion, Deadline deadline) {
    List<Outcome> outcomes = new ArrayList<>();
    for (CompanionRef ref : companions) {
      var outcome = runs.share(ref, occasion, deadline, (all, until) -> observed(ref, all, until));
      // One of those who share it tells of it.
      if (outcome.own()) {
        outcomes.add(outcome.result());
      }
    }
    List<Answer> answers = outcomes.stream().flatMap(it -> it.answer().stream()).toList();
    boolean pending = outcomes.stream().anyMatch(Outcome::pending);
    // Only who has seen every Companion can say that nothing is pending.
    if (pending || (occasion.pulse() && outcomes.size() == companions.size())) {
      try {
        beat(pending, deadline);
      } catch (Unavailable e) {
        // The same event again would set it, but find that nothing turned, and the answer be lost.
        if (answers.isEmpty()) {
          throw e;
        }
        LOG.warnf("The pulse stays as it is until the next event: %s", e.getMessage());
      }
    }
    return answers;
  }

  /// What came of one Companion.
  ///
  /// @param answer if it turned
  /// @param pending whether something turns soon that no event tells of
  private record Outcome(Optional<Answer> answer, boolean pending) {}

  private void beat(boolean pending, Deadline deadline) {
    List<Change> change = reader.pulse().flatMap(it -> Pulse.change(it, pending)).stream().toList();
    try {
      writer
          .write(change, deadline)
          .forEach(it -> LOG.warnf("The pulse stays as it is: %s", it.message()));
    } catch (LostRace e) {
      LOG.debugf("The pulse was changed meanwhile: %s", e.getMessage());
    }
  }

  private Outcome observed(CompanionRef ref, Occasion occasion, Deadline deadline) {
    long began = System.nanoTime();
    boolean done = false;
    try (Span span = tracing.part("reconcile").with("companion", ref.toString())) {
      try {
        Outcome outcome = reconcile(ref, occasion, deadline);
        done = true;
        return outcome;
      } catch (RuntimeException e) {
        span.failed(e);
        throw e;
      }
    } finally {
      metrics.reconciled(done, Duration.ofNanos(System.nanoTime() - began));
    }
  }

  private Outcome reconcile(CompanionRef ref, Occasion occasion, Deadline deadline) {
    for (int race = 0; race < RACES; race++) {
      try {
        Instant now = clock.instant();
        Optional<Snapshot> seen = reader.read(ref, now, occasion, deadline);
        if (seen.isEmpty()) {
          writer.write(Holds.reports(reader.holds(ref), false, now), deadline);
          return new Outcome(Optional.empty(), false);
        }
        return reconcile(ref, Decision.of(seen.get()), deadline);
      } catch (LostRace e) {
        metrics.lostRace();
        LOG.debugf("%s: read again: %s", ref, e.getMessage());
      }
    }
    throw new Unavailable(
        "Companion " + ref + ": others wrote at the same time, " + RACES + " times in a row");
  }

  private Outcome reconcile(CompanionRef ref, Decision decision, Deadline deadline)
      throws LostRace {
    metrics.decided(decision.verdict().allowed(), decision.verdict().reason());
    List<List<Change>> steps = decision.steps();
    List<Refusal> refused = new ArrayList<>();
    for (List<Change> step : steps) {
      refused.addAll(writer.write(step, deadline));
    }
    List<List<Change>> report = decision.report(refused);
    for (List<Change> step : report) {
      writer.write(step, deadline);
    }
    if (!steps.isEmpty() || !report.isEmpty()) {
      LOG.infof(
          "%s: disruption %s (%s): %s; %d changes, %d refused",
          ref,
          decision.verdict().allowed() ? "allowed" : "held",
          decision.verdict().reason(),
          decision.verdict().message(),
          steps.stream().mapToInt(List::size).sum(),
          refused.size());
    }
    refused.forEach(it -> LOG.warnf("%s: refused: %s", ref, it.message()));
    Answer answer =
        new Answer(
            ref.namespace(),
            ref.name(),
            decision.verdict().allowed(),
            decision.verdict().reason(),
            decision.verdict().message());
    return new Outcome(
        Optional.of(answer).filter(_ -> decision.answerChanged()), decision.isPending());
  }
}
