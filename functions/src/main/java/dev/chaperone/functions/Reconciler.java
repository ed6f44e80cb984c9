package dev.chaperone.functions;

import dev.chaperone.api.CompanionStatus.PlacementWrites;
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
import dev.chaperone.decide.DrainBlocked;
import dev.chaperone.decide.HoldReports;
import dev.chaperone.decide.Holds;
import dev.chaperone.decide.KnownFacts;
import dev.chaperone.decide.ObjectRef;
import dev.chaperone.decide.Occasion;
import dev.chaperone.decide.Pulse;
import dev.chaperone.decide.Reason;
import dev.chaperone.decide.Snapshot;
import dev.chaperone.decide.Survey;
import dev.chaperone.decide.Unread;
import dev.chaperone.decide.Written;
import dev.chaperone.telemetry.Metrics;
import dev.chaperone.telemetry.Span;
import dev.chaperone.telemetry.Tracing;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Function;
import java.util.function.Predicate;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jboss.logging.Logger;
import org.jspecify.annotations.Nullable;

/// The way of one event: which Companions does it concern, and for each of them: read, decide,
/// write. Each by itself: whatever goes wrong with one of them is its own, and is told of it.
@ApplicationScoped
class Reconciler {
  private static final Logger LOG = Logger.getLogger(Reconciler.class);
  private static final int MAX_CONFLICTS = 5;

  /// Budgets are opened so often within one run; what then asks for more waits for the next event.
  private static final int MAX_OPENINGS = 2;

  /// Guards go so many steps from one budget to another within one run: the budgets, the guards.
  private static final int MAX_MOVES = 4;

  /// After a run for one Companion while its events queue, so that more of them share the next.
  private static final Duration PAUSE = Duration.ofMillis(50);

  /// Of the Companions that one event concerns, so many at the same time.
  static final int AT_ONCE = 8;

  /// With more Companions than this, everything is read at once first; and with more that need a
  /// look, those are handed over.
  private static final int MANY = 16;

  /// Of those that are handed over, so many at the same time: for that many requests at once,
  /// Knative starts more processes.
  private static final int HANDED_AT_ONCE = 32;

  /// A look for a pulse reads every node, which the memory has to hold: it takes the room of so
  /// many others.
  private static final int WITH_EVERY_NODE = 4;

  private final ClusterReader reader;
  private final ClusterWriter writer;
  private final Replies replies;
  private final HandOver handOver;
  private final Metrics metrics;
  private final Tracing tracing;
  private final Clock clock = Clock.systemUTC();
  private final Duration patience;
  private final SharedRuns<CompanionRef, Occasion, Result> runs =
      new SharedRuns<>(Occasion::and, PAUSE);

  /// Where an event concerned several, their look failed, or did not begin in time: they come
  /// first.
  private final Set<CompanionRef> waiting = ConcurrentHashMap.newKeySet();

  Reconciler(
      ClusterReader reader,
      ClusterWriter writer,
      Replies replies,
      HandOver handOver,
      Metrics metrics,
      Tracing tracing,
      @ConfigProperty(name = "chaperone.event-deadline") Duration patience) {
    this.reader = reader;
    this.writer = writer;
    this.replies = replies;
    this.handOver = handOver;
    this.metrics = metrics;
    this.tracing = tracing;
    this.patience = patience;
  }

  /// By when an event that came now is to be answered.
  Deadline begin() {
    return Deadline.in(patience);
  }

  /// The time that one of several Companions has, which must not be all that there is.
  ///
  /// @param among how many they are
  Deadline share(Deadline deadline, int among) {
    return among == 1 ? deadline : deadline.orIn(patience.dividedBy(2));
  }

  /// Looks again at every Companion that the object concerns.
  ///
  /// @return those Companions
  /// @throws Unavailable when the API server does not answer; the same event again finishes the
  ///     rest
  Collection<CompanionRef> react(ObjectRef object, Occasion occasion, Deadline deadline) {
    Concern concern = reader.concern(object, deadline);
    concern.hold().ifPresent(hold -> closeAtOnce(hold, deadline));
    reconcile(concern.companions(), occasion, deadline);
    return concern.companions();
  }

  /// Looks again at the Companion of a Hold that an event has just asked for.
  ///
  /// @throws Unavailable when the API server does not answer, or a budget could not be closed
  /// @throws Ineffective when the Hold holds nothing, and sending the event again would not help
  void enforce(Hold hold, Deadline deadline) {
    closeAtOnce(hold, deadline);
    CompanionRef ref = CompanionRef.of(hold);
    List<Outcome> outcomes = reconcile(List.of(ref), Occasion.CHANGE, deadline);
    for (Outcome outcome : outcomes) {
      String name = "Hold " + hold.getMetadata().getName() + " of Companion " + ref;
      if (outcome.result() instanceof Result.Failed(RuntimeException why)) {
        throw new Unavailable(name + " may block nothing: " + why.getMessage(), why);
      }
      if (outcome.report().isEmpty()) {
        throw new Ineffective(name + " blocks nothing: the Companion does not exist");
      }
      Decision.Report report = outcome.report().get();
      report
          .whyIneffective(hold.getMetadata().getUid())
          .ifPresent(
              why -> {
                String message = name + " blocks nothing: " + why;
                throw report.mayBecomeEffective()
                    ? new Unavailable(message)
                    : new Ineffective(message);
              });
    }
  }

  /// Looks again at everything.
  ///
  /// @return every Companion
  /// @throws Unavailable when the API server does not answer; the same event again finishes the
  ///     rest
  Collection<CompanionRef> pulse(Deadline deadline) {
    SortedSet<CompanionRef> everyone = reader.everyone(deadline);
    waiting.retainAll(everyone);
    replies.retain(everyone);
    forget(everyone, deadline);
    reconcile(everyone, Occasion.PULSE, deadline);
    return everyone;
  }

  /// Takes from nodes what was said by Companions that went while no event told of it.
  private void forget(Collection<CompanionRef> everyone, Deadline deadline) {
    try {
      Predicate<CompanionRef> isGone = it -> !everyone.contains(it);
      writer.write(DrainBlocked.withoutCompanions(isGone, reader.markedNodes(false)), deadline);
    } catch (LostRace | Unavailable e) {
      LOG.warnf(
          "Conditions of Companions that are gone stay until the next resync: %s", e.getMessage());
    }
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

  /// What blocks any of many Companions closes before the first of them is looked at: with many
  /// looks, the last may come much later, or not at all this time. Each of them writes again what
  /// could not be written here.
  private void closeAtOnce(Survey survey, Collection<CompanionRef> companions, Deadline deadline) {
    try {
      writer.write(
          companions.stream().flatMap(ref -> closing(survey, ref).stream()).toList(), deadline);
    } catch (LostRace | RuntimeException e) {
      LOG.debugf("Not everything closed at once: %s", e.getMessage());
    }
  }

  private static List<Change> closing(Survey survey, CompanionRef ref) {
    try {
      return survey.closing(ref);
    } catch (RuntimeException | Error e) {
      // It will be told of it by its own look.
      return List.of();
    }
  }

  private List<Outcome> reconcile(
      Collection<CompanionRef> companions, Occasion occasion, Deadline deadline) {
    List<Outcome> outcomes =
        occasion.pulse() || companions.size() > MANY
            ? eachThatIsNotIdle(companions, occasion, deadline)
            : each(companions, _ -> occasion, deadline);
    List<RuntimeException> failures =
        outcomes.stream()
            .map(Outcome::result)
            .filter(Result.Failed.class::isInstance)
            .map(it -> ((Result.Failed) it).why())
            .toList();
    boolean pending =
        !failures.isEmpty()
            || outcomes.stream().anyMatch(it -> it.own() && it.result().isPending());
    boolean everyone = occasion.pulse() && outcomes.stream().allMatch(Outcome::own);
    boolean comesSoon = false;
    // Only who has seen every Companion can say that nothing is pending.
    if (pending || everyone) {
      try {
        comesSoon = beat(pending, deadline);
      } catch (Unavailable e) {
        if (failures.isEmpty()) {
          throw e;
        }
        LOG.warnf("Could not update the resync schedule before the next event: %s", e.getMessage());
      }
    }
    Optional<RuntimeException> unavailable =
        failures.stream().filter(Unavailable.class::isInstance).findFirst();
    // The pulse finishes the rest; what there is to tell is not to wait for that.
    boolean tells = comesSoon && replies.areWaiting(companions);
    if (unavailable.isPresent() && !tells) {
      throw failures.size() == 1
          ? unavailable.get()
          : new Unavailable(
              "%d of %d Companions were not looked at, first: %s"
                  .formatted(failures.size(), outcomes.size(), unavailable.get().getMessage()),
              unavailable.get());
    }
    return outcomes;
  }

  /// Looks at everything at once first, and then only at those who need a look of their own: all,
  /// where that cannot be read.
  private List<Outcome> eachThatIsNotIdle(
      Collection<CompanionRef> companions, Occasion occasion, Deadline deadline) {
    if (companions.size() < 2) {
      Set<CompanionRef> all = new LinkedHashSet<>(companions);
      if (occasion.pulse()) {
        all.addAll(strays(companions));
      }
      return each(all, _ -> occasion, deadline);
    }
    Survey survey;
    try {
      // All the time that there is: where the lists of all take long, a look at each takes longer.
      survey = reader.survey(clock.instant(), deadline);
    } catch (RuntimeException e) {
      LOG.warnf("Not everything could be read at once: %s", e.getMessage());
      return each(companions, _ -> occasion, deadline);
    }
    Deadline half = share(deadline, companions.size());
    closeAtOnce(survey, companions, half);
    List<Outcome> outcomes = new ArrayList<>();
    Map<CompanionRef, Occasion> others = new LinkedHashMap<>();
    List<CompanionRef> simple = new ArrayList<>();
    for (CompanionRef ref : waitingFirst(companions)) {
      // What many expressions cost must not be all the time that there is; all else costs little.
      Surveyed surveyed =
          half.left().isPositive() || !survey.evaluates(ref)
              ? surveyed(survey, ref, occasion)
              : new Surveyed(Optional.empty(), occasion, false);
      if (surveyed.idle().isPresent()) {
        outcomes.add(surveyed.idle().get());
        waiting.remove(ref);
      } else {
        others.put(ref, surveyed.occasion());
        if (surveyed.simple()) {
          simple.add(ref);
        }
      }
    }
    if (occasion.pulse()) {
      survey.strays().forEach(ref -> others.putIfAbsent(ref, occasion));
    }
    if (handOver.isPossible() && simple.size() > MANY) {
      for (CompanionRef ref : handOver(simple, deadline.orIn(deadline.left().dividedBy(2)))) {
        // What came of it is for the next pulse to see.
        outcomes.add(new Outcome(new Result.Seen(Optional.empty(), true), true));
        waiting.remove(ref);
        others.remove(ref);
      }
    }
    outcomes.addAll(each(others.keySet(), it -> others.getOrDefault(it, occasion), deadline));
    return outcomes;
  }

  /// Stops at the first that is not taken, so that a sink that is away leaves the time to look
  /// here.
  ///
  /// @return those that were taken; another may have been all the same, if there was no answer, and
  ///     is then looked at twice
  private Set<CompanionRef> handOver(Collection<CompanionRef> companions, Deadline deadline) {
    Set<CompanionRef> taken = ConcurrentHashMap.newKeySet();
    AtomicBoolean isAway = new AtomicBoolean();
    Several.map(
        companions,
        HANDED_AT_ONCE,
        ref -> {
          try {
            if (!isAway.get() && handOver.look(ref, deadline)) {
              return taken.add(ref);
            }
          } catch (Unavailable e) {
            LOG.warn(e.getMessage());
          }
          isAway.set(true);
          return false;
        });
    return taken;
  }

  /// Those that do not exist, whose Holds are to be told so.
  private Collection<CompanionRef> strays(Collection<CompanionRef> everyone) {
    try {
      return reader.strays(everyone, clock.instant());
    } catch (Unavailable e) {
      LOG.warnf(
          "The status of Holds without a Companion waits for the next resync: %s", e.getMessage());
      return List.of();
    }
  }

  private List<CompanionRef> waitingFirst(Collection<CompanionRef> companions) {
    return companions.stream().sorted(Comparator.comparing(it -> !waiting.contains(it))).toList();
  }

  /// What a survey says of one Companion.
  ///
  /// @param idle empty: it needs a look of its own
  /// @param occasion of that look
  /// @param simple whether an event about this Companion would lead to the same look
  private record Surveyed(Optional<Outcome> idle, Occasion occasion, boolean simple) {}

  private Surveyed surveyed(Survey survey, CompanionRef ref, Occasion occasion) {
    try {
      Optional<Decision> decision = survey.of(ref, occasion.pulse()).map(Decision::of);
      Optional<Outcome> idle = decision.filter(Decision::isIdle).map(it -> idle(ref, it));
      boolean few =
          idle.isEmpty()
              && occasion.pulse()
              && decision.filter(it -> !it.needsEveryNode()).isPresent();
      boolean simple =
          handOver.isPossible()
              && idle.isEmpty()
              && occasion.withoutPulse().equals(Occasion.CHANGE)
              && (few || decision.filter(it -> !it.needsPulse()).isPresent());
      return new Surveyed(idle, few ? occasion.withoutPulse() : occasion, simple);
    } catch (RuntimeException | Error e) {
      // It will be told of it by its own look.
      return new Surveyed(Optional.empty(), occasion, false);
    }
  }

  private Outcome idle(CompanionRef ref, Decision decision) {
    if (replies.areWaiting(List.of(ref))) {
      replies.seen(decision.report(Written.NOTHING).answer(), false);
    }
    return new Outcome(new Result.Seen(Optional.empty(), decision.isPending()), true);
  }

  /// Each by itself, those first that wait for it.
  private List<Outcome> each(
      Collection<CompanionRef> companions,
      Function<CompanionRef, Occasion> occasion,
      Deadline deadline) {
    if (companions.size() == 1) {
      CompanionRef ref = companions.iterator().next();
      return List.of(one(ref, occasion.apply(ref), deadline));
    }
    return Several.map(
        waitingFirst(companions),
        AT_ONCE,
        ref -> occasion.apply(ref).pulse() ? WITH_EVERY_NODE : 1,
        ref -> {
          Outcome outcome = one(ref, occasion.apply(ref), share(deadline, companions.size()));
          if (outcome.result() instanceof Result.Failed) {
            waiting.add(ref);
          } else {
            waiting.remove(ref);
          }
          return outcome;
        });
  }

  private Outcome one(CompanionRef ref, Occasion occasion, Deadline deadline) {
    try {
      deadline.check("looking at Companion " + ref);
      var outcome = runs.share(ref, occasion, deadline, (all, until) -> observed(ref, all, until));
      return new Outcome(outcome.result(), outcome.own());
    } catch (Unavailable e) {
      LOG.warnf("%s: %s", ref, e.getMessage());
      return new Outcome(new Result.Failed(e), true);
    } catch (RuntimeException e) {
      LOG.errorf(e, "%s: internal error", ref);
      return new Outcome(new Result.Failed(e), true);
    }
  }

  /// What came of one Companion.
  private sealed interface Result {

    /// It was looked at.
    ///
    /// @param report empty: there is no such Companion, or none that can be read
    /// @param isPending whether something turns soon that no event tells of
    record Seen(Optional<Decision.Report> report, boolean isPending) implements Result {}

    /// It was not, or not to the end.
    record Failed(RuntimeException why) implements Result {
      @Override
      public boolean isPending() {
        return true;
      }
    }

    boolean isPending();
  }

  /// The same, for one of those who share the run.
  ///
  /// @param own whether it is for this one to tell
  private record Outcome(Result result, boolean own) {
    Optional<Decision.Report> report() {
      return result instanceof Result.Seen seen ? seen.report() : Optional.empty();
    }
  }

  /// @return whether there is a pulse
  private boolean beat(boolean pending, Deadline deadline) {
    Optional<GenericKubernetesResource> pulse = reader.pulse();
    List<Change> change = pulse.flatMap(it -> Pulse.change(it, pending)).stream().toList();
    try {
      writer
          .write(change, deadline)
          .refused()
          .forEach(it -> LOG.warnf("Could not update the resync schedule: %s", it.message()));
    } catch (LostRace e) {
      LOG.debugf("The resync schedule was changed meanwhile: %s", e.getMessage());
    }
    return pulse.isPresent();
  }

  private Result observed(CompanionRef ref, Occasion occasion, Deadline deadline) {
    long began = System.nanoTime();
    boolean done = false;
    try (Span span = tracing.part("reconcile").with("companion", ref.toString())) {
      try {
        Result result = reconcile(ref, occasion, deadline);
        done = true;
        return result;
      } catch (RuntimeException | Error e) {
        span.failed(e);
        throw e;
      }
    } finally {
      metrics.reconciled(done, Duration.ofNanos(System.nanoTime() - began));
    }
  }

  /// What the looks of one run have done before.
  private static final class Progress {
    private int opened;
    private int moved;
    private int conflicts;

    /// What the status is to say of a placement that a look before has tried to write.
    private @Nullable PlacementWrites placed;

    boolean mayOpen() {
      return opened < MAX_OPENINGS;
    }

    boolean mayMove() {
      return moved < MAX_MOVES;
    }
  }

  private Result reconcile(CompanionRef ref, Occasion occasion, Deadline deadline) {
    Progress progress = new Progress();
    while (progress.conflicts < MAX_CONFLICTS) {
      try {
        Optional<Result> result = look(ref, occasion, progress, deadline);
        if (result.isPresent()) {
          return result.get();
        }
      } catch (LostRace e) {
        progress.conflicts++;
        metrics.lostRace();
        LOG.debugf("%s: read again: %s", ref, e.getMessage());
      }
    }
    throw new Unavailable(
        "Companion " + ref + ": gave up after " + MAX_CONFLICTS + " write conflicts");
  }

  /// Reads, decides and writes once.
  ///
  /// @return empty: budgets were opened, or guards move, and all is to be looked at again
  private Optional<Result> look(
      CompanionRef ref, Occasion occasion, Progress progress, Deadline deadline) throws LostRace {
    Instant now = clock.instant();
    Optional<KnownFacts> known = reader.knownFacts(ref, now, deadline);
    if (known.isEmpty()) {
      return Optional.of(gone(ref, now, deadline));
    }
    try {
      return look(known.get().with(progress.placed), occasion, progress, deadline);
    } catch (Unavailable e) {
      throw e;
    } catch (RuntimeException | Error e) {
      tell(known.get(), Reason.InternalError, "Internal error: " + e, deadline);
      throw e;
    }
  }

  private Optional<Result> look(
      KnownFacts known, Occasion occasion, Progress progress, Deadline deadline) throws LostRace {
    CompanionRef ref = CompanionRef.of(known.companion());
    Written closed =
        orTell(known, Reason.NotEnforced, deadline, () -> writer.write(known.closing(), deadline));
    KnownFacts facts = known.with(closed);
    Optional<String> unreadable = facts.companion().whyUnreadable();
    if (unreadable.isPresent()) {
      LOG.warnf("%s: the spec cannot be read: %s", ref, unreadable.get());
      tell(facts, Reason.SpecUnreadable, "The spec cannot be read: " + unreadable.get(), deadline);
      return Optional.of(new Result.Seen(Optional.empty(), false));
    }
    Snapshot seen =
        orTell(
            facts, Reason.FactUnreadable, deadline, () -> reader.read(facts, occasion, deadline));
    Decision decision = Decision.of(seen);
    decision.placed().ifPresent(it -> progress.placed = it);
    Written written =
        orTell(
            facts,
            Reason.NotEnforced,
            deadline,
            () -> write(decision.steps(progress.mayOpen()), closed, deadline));
    if (written.refused().isEmpty() && progress.mayMove() && decision.isMoving()) {
      progress.moved++;
      return Optional.empty();
    }
    if (progress.mayOpen() && decision.opens() && written.transientFailure().isEmpty()) {
      // Once more: whoever found the budget closed meanwhile wrote nothing.
      progress.opened++;
      return Optional.empty();
    }
    return Optional.of(report(ref, decision, written, deadline));
  }

  /// Step after step, but for what was refused before.
  private Written write(List<List<Change>> steps, Written before, Deadline deadline)
      throws LostRace {
    Written all = before;
    for (List<Change> step : steps) {
      List<Change> left = step.stream().filter(Predicate.not(all::hasRefused)).toList();
      all = all.and(writer.write(left, deadline));
    }
    return all;
  }

  private interface Attempt<T> {
    T make() throws LostRace;
  }

  /// Makes it; where the API server does not answer, that is told.
  private <T> T orTell(KnownFacts facts, Reason reason, Deadline deadline, Attempt<T> attempt)
      throws LostRace {
    try {
      return attempt.make();
    } catch (Unavailable e) {
      tell(facts, reason, String.valueOf(e.getMessage()), deadline);
      throw e;
    }
  }

  /// Says of a Companion about which nothing was decided why not. What closed stays closed.
  private void tell(KnownFacts facts, Reason reason, String words, Deadline deadline) {
    CompanionRef ref = CompanionRef.of(facts.companion());
    try {
      writer
          .write(Unread.report(facts, reason, words), deadline)
          .refused()
          .forEach(it -> LOG.warnf("%s: not reported: %s", ref, it.message()));
    } catch (LostRace | RuntimeException e) {
      LOG.warnf("%s: not reported: %s", ref, e.getMessage());
    }
  }

  private Result gone(CompanionRef ref, Instant now, Deadline deadline) throws LostRace {
    writer.write(HoldReports.withoutCompanion(reader.holds(ref), now), deadline);
    writer.write(DrainBlocked.withoutCompanions(ref::equals, reader.markedNodes(true)), deadline);
    return new Result.Seen(Optional.empty(), false);
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
    replies.seen(answer, report.answerChanged());
    report.maintenance().ifPresent(it -> replies.seen(answer, it));
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
    return new Result.Seen(Optional.of(report), decision.isPending() || report.isUnfinished());
  }
}
