package dev.chaperone.functions;

import dev.chaperone.api.Hold;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.ClusterWriter;
import dev.chaperone.cluster.Concern;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.LostRace;
import dev.chaperone.cluster.SharedRuns;
import dev.chaperone.cluster.Unavailable;
import dev.chaperone.decide.Answer;
import dev.chaperone.decide.Change;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Decision;
import dev.chaperone.decide.Holds;
import dev.chaperone.decide.KnownFacts;
import dev.chaperone.decide.ObjectRef;
import dev.chaperone.decide.Occasion;
import dev.chaperone.decide.Pulse;
import dev.chaperone.decide.Snapshot;
import dev.chaperone.decide.Unread;
import dev.chaperone.decide.Written;
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
  private static final int MAX_CONFLICTS = 5;

  /// Budgets are opened so often within one run; what then asks for more waits for the next event.
  private static final int MAX_OPENINGS = 2;

  /// After a run for one Companion while its events queue, so that more of them share the next.
  private static final Duration PAUSE = Duration.ofMillis(50);

  private final ClusterReader reader;
  private final ClusterWriter writer;
  private final Metrics metrics;
  private final Tracing tracing;
  private final Clock clock = Clock.systemUTC();
  private final Duration patience;
  private final SharedRuns<CompanionRef, Occasion, Result> runs =
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
    return turned(reconcile(concern.companions(), occasion, deadline));
  }

  /// Looks again at the Companion of a Hold that an event has just asked for.
  ///
  /// @return the answers that turned
  /// @throws Unavailable when the API server does not answer, or a budget could not be closed
  /// @throws Ineffective when the Hold holds nothing, and sending the event again would not help
  List<Answer> enforce(Hold hold, Deadline deadline) {
    closeAtOnce(hold, deadline);
    CompanionRef ref = CompanionRef.of(hold);
    List<Outcome> outcomes = reconcile(List.of(ref), Occasion.CHANGE, deadline);
    String uid = hold.getMetadata().getUid();
    for (Outcome outcome : outcomes) {
      String name = "Hold " + hold.getMetadata().getName() + " of Companion " + ref;
      if (outcome.report().isEmpty()) {
        throw new Ineffective(name + " blocks nothing: the Companion does not exist");
      }
      outcome
          .report()
          .get()
          .whyIneffective(uid)
          .ifPresent(
              why -> {
                String message = name + " blocks nothing: " + why;
                throw outcome.report().get().mayBecomeEffective()
                    ? new Unavailable(message)
                    : new Ineffective(message);
              });
    }
    return turned(outcomes);
  }

  /// Looks again at everything.
  ///
  /// @return the answers that turned
  /// @throws Unavailable when the API server does not answer; the same event again finishes the
  ///     rest
  List<Answer> pulse() {
    Deadline deadline = begin();
    return turned(reconcile(reader.everyone(deadline), Occasion.PULSE, deadline));
  }

  /// A new Hold closes before its Companion's turn comes and before anything else is read, each of
  /// which can take a while.
  private void closeAtOnce(Hold hold, Deadline deadline) {
    Instant now = clock.instant();
    if (Holds.isNew(hold, now)) {
      CompanionRef ref = CompanionRef.of(hold);
      try {
        Optional<KnownFacts> known = reader.knownFacts(ref, now, deadline);
        writer.write(known.map(KnownFacts::closing).orElse(List.of()), deadline);
      } catch (LostRace e) {
        LOG.debugf("%s: not closed at once: %s", ref, e.getMessage());
      }
    }
  }

  private static List<Answer> turned(List<Outcome> outcomes) {
    // One of those who share a run tells of it.
    return outcomes.stream()
        .filter(Outcome::own)
        .flatMap(it -> it.report().stream())
        .filter(Decision.Report::answerChanged)
        .map(Decision.Report::answer)
        .toList();
  }

  private List<Outcome> reconcile(
      Collection<CompanionRef> companions, Occasion occasion, Deadline deadline) {
    List<Outcome> outcomes = new ArrayList<>();
    for (CompanionRef ref : companions) {
      var outcome = runs.share(ref, occasion, deadline, (all, until) -> observed(ref, all, until));
      outcomes.add(new Outcome(outcome.result(), outcome.own()));
    }
    boolean pending = outcomes.stream().anyMatch(it -> it.own() && it.result().pending());
    boolean everyone = occasion.pulse() && outcomes.stream().allMatch(Outcome::own);
    // Only who has seen every Companion can say that nothing is pending.
    if (pending || everyone) {
      try {
        beat(pending, deadline);
      } catch (Unavailable e) {
        // The same event again would set it, but find that nothing turned, and the answer be lost.
        if (turned(outcomes).isEmpty()) {
          throw e;
        }
        LOG.warnf("The pulse stays as it is until the next event: %s", e.getMessage());
      }
    }
    return outcomes;
  }

  /// What came of one Companion.
  ///
  /// @param report empty: there is no such Companion
  /// @param pending whether something turns soon that no event tells of
  private record Result(Optional<Decision.Report> report, boolean pending) {}

  /// The same, for one of those who share the run.
  ///
  /// @param own whether it is for this one to tell
  private record Outcome(Result result, boolean own) {
    Optional<Decision.Report> report() {
      return result.report();
    }
  }

  private void beat(boolean pending, Deadline deadline) {
    List<Change> change = reader.pulse().flatMap(it -> Pulse.change(it, pending)).stream().toList();
    try {
      writer
          .write(change, deadline)
          .refused()
          .forEach(it -> LOG.warnf("Could not update the resync schedule: %s", it.message()));
    } catch (LostRace e) {
      LOG.debugf("The pulse was changed meanwhile: %s", e.getMessage());
    }
  }

  private Result observed(CompanionRef ref, Occasion occasion, Deadline deadline) {
    long began = System.nanoTime();
    boolean done = false;
    try (Span span = tracing.part("reconcile").with("companion", ref.toString())) {
      try {
        Result result = reconcile(ref, occasion, deadline);
        done = true;
        return result;
      } catch (RuntimeException e) {
        span.failed(e);
        throw e;
      }
    } finally {
      metrics.reconciled(done, Duration.ofNanos(System.nanoTime() - began));
    }
  }

  private Result reconcile(CompanionRef ref, Occasion occasion, Deadline deadline) {
    int opened = 0;
    for (int conflicts = 0; conflicts < MAX_CONFLICTS; ) {
      try {
        Optional<Result> result = look(ref, occasion, opened < MAX_OPENINGS, deadline);
        if (result.isPresent()) {
          return result.get();
        }
        // After an opening, once more: whoever found the budget closed meanwhile wrote nothing.
        opened++;
      } catch (LostRace e) {
        conflicts++;
        metrics.lostRace();
        LOG.debugf("%s: read again: %s", ref, e.getMessage());
      }
    }
    throw new Unavailable(
        "Companion " + ref + ": gave up after " + MAX_CONFLICTS + " write conflicts");
  }

  /// Reads, decides and writes once.
  ///
  /// @param mayOpen whether budgets may be opened now, and all be looked at again
  /// @return empty: they were
  private Optional<Result> look(
      CompanionRef ref, Occasion occasion, boolean mayOpen, Deadline deadline) throws LostRace {
    Instant now = clock.instant();
    Optional<KnownFacts> known = reader.knownFacts(ref, now, deadline);
    if (known.isEmpty()) {
      return Optional.of(gone(ref, now, deadline));
    }
    Written written = writer.write(known.get().closing(), deadline);
    KnownFacts facts = known.get().with(written);
    Optional<Snapshot> seen = read(facts, occasion, deadline);
    if (seen.isEmpty()) {
      return Optional.of(gone(ref, now, deadline));
    }
    Decision decision = Decision.of(seen.get());
    for (List<Change> step : decision.steps(mayOpen)) {
      written = written.and(writer.write(step, deadline));
    }
    if (mayOpen && decision.opens() && written.transientFailure().isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(report(ref, decision, written, deadline));
  }

  private Optional<Snapshot> read(KnownFacts facts, Occasion occasion, Deadline deadline)
      throws LostRace {
    try {
      return reader.read(facts, occasion, deadline);
    } catch (Unavailable e) {
      // Closed for what is known; whoever asks is told what is not.
      writer.write(Unread.report(facts, String.valueOf(e.getMessage())), deadline);
      throw e;
    }
  }

  private Result gone(CompanionRef ref, Instant now, Deadline deadline) throws LostRace {
    writer.write(Holds.withoutCompanion(reader.holds(ref), now), deadline);
    return new Result(Optional.empty(), false);
  }

  private Result report(CompanionRef ref, Decision decision, Written written, Deadline deadline)
      throws LostRace {
    Decision.Report report = decision.report(written);
    Answer answer = report.answer();
    metrics.decided(answer.result(), answer.reason());
    Written told = Written.NOTHING;
    for (List<Change> step : report.steps()) {
      told = told.and(writer.write(step, deadline));
    }
    if (!written.equals(Written.NOTHING) || !report.steps().isEmpty()) {
      LOG.infof(
          "%s: disruption %s (%s): %s; %d written, %d refused",
          ref,
          answer.result(),
          answer.reason(),
          answer.message(),
          written.stored().size(),
          written.refused().size());
    }
    Written all = written.and(told);
    all.refused().forEach(it -> LOG.warnf("%s: refused: %s", ref, it.message()));
    all.transientFailure()
        .ifPresent(
            failure -> {
              throw new Unavailable("Not written: " + failure);
            });
    return new Result(Optional.of(report), decision.isPending());
  }
}
