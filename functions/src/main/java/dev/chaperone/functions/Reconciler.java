package dev.chaperone.functions;

import dev.chaperone.api.CompanionStatus.PlacementWrites;
import dev.chaperone.api.Hold;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.ClusterWriter;
import dev.chaperone.cluster.Concern;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.LostRace;
import dev.chaperone.cluster.Room;
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
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jboss.logging.Logger;
import org.jspecify.annotations.Nullable;

/// The way of one event: which Companions does it concern, and for each of them: read, decide,
/// write. Each by itself: whatever goes wrong with one of them is its own, and is told of it.
@ApplicationScoped
class Reconciler {
  private static final Logger LOG = Logger.getLogger(Reconciler.class);
  static final int MAX_CONFLICTS = 5;

  /// Budgets are opened so often within one run; what then asks for more waits for the next event.
  private static final int MAX_OPENINGS = 2;

  /// Guards go so many steps from one budget to another within one run: the mark, the budgets, the
  /// guards, and the budgets again until Kubernetes has counted.
  private static final int MAX_MOVES = 6;

  /// What an event has read of a Companion is used by its own run, if that begins so soon.
  private static final Duration FRESH = Duration.ofMillis(500);

  /// After a run for one Companion while its events queue, so that more of them share the next.
  private static final Duration PAUSE = Duration.ofMillis(50);

  /// Of the Companions that one event concerns, so many at the same time.
  static final int AT_ONCE = 16;

  /// With more Companions than this, everything is read at once first; and with more that need a
  /// look, those are handed over.
  private static final int MANY = 16;

  /// Of those that are handed over, so many at the same time: for that many requests at once,
  /// Knative starts more processes.
  private static final int HANDED_AT_ONCE = 32;

  /// So many looks have every node in memory at the same time. One takes about 20 MB where there
  /// are 10,000, and the heap of the functions has 82.
  private static final int LOOKS_WITH_EVERY_NODE = 2;

  private final ClusterReader reader;
  private final ClusterWriter writer;
  private final Replies replies;
  private final HandOver handOver;
  private final NodeConditions nodeConditions;
  private final Metrics metrics;
  private final Tracing tracing;
  private final Clock clock = Clock.systemUTC();
  private final Duration patience;
  private final SharedRuns<CompanionRef, Ask, Result> runs = new SharedRuns<>(Ask::and, PAUSE);

  /// Where an event concerned several, their look failed, or did not begin in time: they come
  /// first.
  private final Set<CompanionRef> waiting = ConcurrentHashMap.newKeySet();

  private final Room everyNode = new Room(LOOKS_WITH_EVERY_NODE);
  private final Room surveys = new Room(1);

  private final NewNodes newNodes = new NewNodes(ClusterReader.FEW_NODES);

  private final AtomicBoolean isFinishingOthers = new AtomicBoolean();

  /// How many Companions were not finished when those were last looked at.
  private volatile int unfinished;

  Reconciler(
      ClusterReader reader,
      ClusterWriter writer,
      Replies replies,
      HandOver handOver,
      NodeConditions nodeConditions,
      Metrics metrics,
      Tracing tracing,
      @ConfigProperty(name = "chaperone.event-deadline") Duration patience) {
    this.reader = reader;
    this.writer = writer;
    this.replies = replies;
    this.handOver = handOver;
    this.nodeConditions = nodeConditions;
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

  /// The time for writing what may come late of what was decided on what has been read. Where
  /// reading took all that there was, it would do so the next time, and nothing would ever be
  /// written.
  private Deadline forLate(Deadline deadline) {
    return deadline.plus(patience.dividedBy(2));
  }

  /// Looks again at every Companion that the object concerns.
  ///
  /// @return those Companions
  /// @throws Unavailable when the API server does not answer; the same event again finishes the
  ///     rest
  Collection<CompanionRef> react(ObjectRef object, Occasion occasion, Deadline deadline) {
    Concern concern = concern(object, occasion, deadline);
    Map<CompanionRef, KnownFacts> known = new HashMap<>(concern.known());
    concern.hold().ifPresent(hold -> closeAtOnce(hold, known, deadline));
    List<Outcome> outcomes = reconcile(concern.companions(), occasion, known, deadline);
    if (unfinished > MANY || outcomes.stream().anyMatch(Outcome::isFirst)) {
      finishOthers(deadline);
    }
    if (outcomes.stream().anyMatch(Outcome::asksForCondition)) {
      nodeConditions.sayReady(deadline);
    }
    return concern.companions();
  }

  /// Events of nodes come together, so it is the occasion that names them all.
  private Concern concern(ObjectRef object, Occasion occasion, Deadline deadline) {
    if (object.isNode()) {
      newNodes.add(occasion.newNodes(), occasion.deletedNodes(), clock.instant());
      return new Concern(reader.concernedBy(occasion.nodes(), deadline));
    }
    return reader.concern(object, clock.instant(), deadline);
  }

  /// Where many Companions come at once, their events come one after the other. So the first of
  /// them does what a resync would for all that are not finished, and so do those that follow, one
  /// at a time, for as long as that changes anything.
  private void finishOthers(Deadline deadline) {
    if (!isFinishingOthers.compareAndSet(false, true)) {
      return;
    }
    try {
      List<CompanionRef> others = reader.unfinished(deadline);
      unfinished = others.size() == unfinished ? 0 : others.size();
      if (others.size() > MANY) {
        reconcile(others, Occasion.CHANGE, Map.of(), deadline);
      }
    } catch (Unavailable e) {
      LOG.debugf("Other new Companions wait for their own events: %s", e.getMessage());
    } finally {
      isFinishingOthers.set(false);
    }
  }

  /// Looks again at the Companion of a Hold that an event has just asked for.
  ///
  /// @throws Unavailable when the API server does not answer, or a budget could not be closed
  /// @throws Ineffective when the Hold holds nothing, and sending the event again would not help
  void enforce(Hold hold, Deadline deadline) {
    Map<CompanionRef, KnownFacts> known = new HashMap<>();
    closeAtOnce(hold, known, deadline);
    CompanionRef ref = CompanionRef.of(hold);
    List<Outcome> outcomes = reconcile(List.of(ref), Occasion.CHANGE, known, deadline);
    for (Outcome outcome : outcomes) {
      String name = "Hold " + hold.getMetadata().getName() + " of Companion " + ref;
      if (outcome.result() instanceof Result.Failed(RuntimeException why)) {
        throw new Unavailable(name + " may block nothing: " + why.getMessage(), why);
      }
      if (outcome.summary().isEmpty()) {
        throw new Ineffective(name + " blocks nothing: the Companion does not exist");
      }
      Decision.Summary summary = outcome.summary().get();
      summary
          .whyIneffective(hold.getMetadata().getUid())
          .ifPresent(
              why -> {
                String message = name + " blocks nothing: " + why;
                throw summary.mayBecomeEffective()
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
    try {
      reconcile(everyone, Occasion.PULSE, Map.of(), deadline);
    } finally {
      // What nodes say holds no drain back, so it has the time that is left.
      nodeConditions.renew(deadline);
    }
    return everyone;
  }

  /// A new Hold closes before its Companion's turn comes and before anything else is read, each of
  /// which can take a while.
  ///
  /// @param known what was read of Companions before; then, as it was written
  private void closeAtOnce(Hold hold, Map<CompanionRef, KnownFacts> known, Deadline deadline) {
    Instant now = clock.instant();
    if (Holds.isNew(hold, now)) {
      CompanionRef ref = CompanionRef.of(hold);
      KnownFacts before = known.remove(ref);
      try {
        Optional<KnownFacts> facts =
            before == null ? reader.knownFacts(ref, now, deadline) : Optional.of(before);
        if (facts.isPresent()) {
          known.put(ref, facts.get().with(writer.write(facts.get().closing(), deadline)));
        }
      } catch (LostRace e) {
        LOG.debugf("%s: not closed at once: %s", ref, e.getMessage());
      }
    }
  }

  /// What blocks any of many Companions closes before the first of them is looked at: with many
  /// looks, the last may come much later, or not at all this time.
  ///
  /// @return what was written; what could not be is for the run of the Companion to try again
  private Map<CompanionRef, Written> closeAtOnce(
      Survey survey, Collection<CompanionRef> companions, Deadline deadline) {
    Map<CompanionRef, List<Change>> closing = new LinkedHashMap<>();
    for (CompanionRef ref : companions) {
      List<Change> changes = closing(survey, ref);
      if (!changes.isEmpty()) {
        closing.put(ref, changes);
      }
    }
    Map<CompanionRef, Written> closed = new ConcurrentHashMap<>();
    Several.map(
        closing.entrySet(),
        AT_ONCE,
        each -> {
          try {
            closed.put(each.getKey(), writer.write(each.getValue(), deadline));
            return true;
          } catch (LostRace | RuntimeException e) {
            LOG.debugf("%s: not closed at once: %s", each.getKey(), e.getMessage());
            return false;
          }
        });
    return closed;
  }

  private static List<Change> closing(Survey survey, CompanionRef ref) {
    try {
      return survey.closing(ref);
    } catch (RuntimeException | Error e) {
      // It will be told of it by its own look.
      return List.of();
    }
  }

  /// @param known what was read of some of them just now
  private List<Outcome> reconcile(
      Collection<CompanionRef> companions,
      Occasion occasion,
      Map<CompanionRef, KnownFacts> known,
      Deadline deadline) {
    Collection<Outcome> outcomes =
        occasion.pulse() || companions.size() > MANY
            ? eachThatIsNotIdle(companions, occasion, deadline)
            : each(looks(companions, occasion, known), deadline).values();
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
        comesSoon = beat(pending, forLate(deadline));
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
    return List.copyOf(outcomes);
  }

  /// Looks at everything at once first, writes what may come late, and then looks only at those who
  /// need a look of their own: all, where not everything can be read.
  private Collection<Outcome> eachThatIsNotIdle(
      Collection<CompanionRef> companions, Occasion occasion, Deadline deadline) {
    if (companions.size() < 2) {
      Set<CompanionRef> all = new LinkedHashSet<>(companions);
      if (occasion.pulse()) {
        all.addAll(strays(companions));
      }
      return each(looks(all, occasion, Map.of()), deadline).values();
    }
    Map<CompanionRef, Outcome> outcomes = new LinkedHashMap<>();
    Left left;
    try (Room.Place place = surveys.place()) {
      place.take(deadline, "reading all Companions at once");
      left = survey(companions, occasion, deadline, outcomes);
    } catch (RuntimeException e) {
      LOG.warnf("Not everything could be read at once: %s", e.getMessage());
      return each(looks(companions, occasion, Map.of()), deadline).values();
    }
    if (left.simple().size() > MANY) {
      for (CompanionRef ref : handOver(left.simple(), half(deadline))) {
        // What came of it is for the next pulse to see.
        outcomes.put(ref, new Outcome(new Result.Seen(Optional.empty(), true), true));
        waiting.remove(ref);
        left.looks().remove(ref);
      }
    }
    outcomes.putAll(each(left.looks(), deadline));
    return outcomes.values();
  }

  /// What a survey leaves to do.
  ///
  /// @param looks those who need one of their own
  /// @param simple those of them that may be handed over
  private record Left(Map<CompanionRef, Ask> looks, Set<CompanionRef> simple) {}

  /// Looks at everything at once, and writes what may come late.
  ///
  /// @param outcomes to which those are added for whom that was all
  private Left survey(
      Collection<CompanionRef> companions,
      Occasion occasion,
      Deadline deadline,
      Map<CompanionRef, Outcome> outcomes) {
    // All the time that there is: where the lists of all take long, a look at each takes longer.
    Survey survey = reader.survey(companions.size(), clock.instant(), deadline);
    Deadline end = forLate(deadline);
    Deadline half = share(end, companions.size());
    Map<CompanionRef, Written> closed = closeAtOnce(survey, companions, half);
    Map<CompanionRef, Ask> closing = new LinkedHashMap<>();
    Map<CompanionRef, Ask> late = new LinkedHashMap<>();
    Map<CompanionRef, Ask> looks = new LinkedHashMap<>();
    Set<CompanionRef> simple = new LinkedHashSet<>();
    for (CompanionRef ref : waitingFirst(companions)) {
      // What many expressions cost must not be all the time that there is; all else costs little.
      Surveyed surveyed =
          half.left().isPositive() || !survey.evaluates(ref)
              ? Surveyed.of(
                  survey,
                  ref,
                  occasion,
                  closed.getOrDefault(ref, Written.NOTHING),
                  handOver.isPossible())
              : Surveyed.unknown(occasion);
      if (surveyed.idle().isPresent()) {
        outcomes.put(ref, idle(ref, surveyed.idle().get()));
        waiting.remove(ref);
      } else if (surveyed.closes()) {
        closing.put(ref, surveyed.ask());
      } else {
        (surveyed.ask().late() == null ? looks : late).put(ref, surveyed.ask());
        if (surveyed.simple()) {
          simple.add(ref);
        }
      }
    }
    outcomes.putAll(each(closing, deadline));
    boolean mayHandOver = simple.size() > MANY;
    each(late, mayHandOver ? half(end) : end)
        .forEach(
            (ref, outcome) -> {
              if (mayHandOver && outcome.result() instanceof Result.Failed) {
                looks.put(ref, Ask.look(ask(late, ref).occasion()));
              } else {
                outcomes.put(ref, outcome);
              }
            });
    if (occasion.pulse()) {
      survey.strays().forEach(ref -> looks.putIfAbsent(ref, Ask.look(occasion)));
    }
    simple.retainAll(looks.keySet());
    return new Left(looks, simple);
  }

  private static Deadline half(Deadline deadline) {
    return deadline.orIn(deadline.left().dividedBy(2));
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

  private Outcome idle(CompanionRef ref, Decision decision) {
    if (replies.areWaiting(List.of(ref))) {
      replies.seen(decision.report(Written.NOTHING).answer(), false);
    }
    return new Outcome(new Result.Seen(Optional.empty(), decision.isPending()), true);
  }

  private static Map<CompanionRef, Ask> looks(
      Collection<CompanionRef> companions, Occasion occasion, Map<CompanionRef, KnownFacts> known) {
    Map<CompanionRef, Ask> looks = new LinkedHashMap<>();
    companions.forEach(ref -> looks.put(ref, Ask.look(occasion, known.get(ref))));
    return looks;
  }

  /// Each by itself, those first that wait for it.
  private Map<CompanionRef, Outcome> each(Map<CompanionRef, Ask> asks, Deadline deadline) {
    List<CompanionRef> companions = waitingFirst(asks.keySet());
    List<Outcome> results =
        Several.map(
            companions,
            AT_ONCE,
            ref -> ask(asks, ref).room(),
            ref -> one(ref, ask(asks, ref), share(deadline, companions.size())));
    Map<CompanionRef, Outcome> outcomes = new LinkedHashMap<>();
    for (int i = 0; i < results.size(); i++) {
      outcomes.put(companions.get(i), results.get(i));
      if (results.size() > 1 && results.get(i).result() instanceof Result.Failed) {
        waiting.add(companions.get(i));
      } else {
        waiting.remove(companions.get(i));
      }
    }
    return outcomes;
  }

  private static Ask ask(Map<CompanionRef, Ask> asks, CompanionRef ref) {
    return Objects.requireNonNull(asks.get(ref));
  }

  private Outcome one(CompanionRef ref, Ask ask, Deadline deadline) {
    try {
      deadline.check("looking at Companion " + ref);
      var outcome = runs.share(ref, ask, deadline, (all, until) -> observed(ref, all, until));
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
    /// @param summary empty: there is no such Companion, or none that can be read
    /// @param isPending whether something turns soon that no event tells of
    record Seen(Optional<Decision.Summary> summary, boolean isPending) implements Result {}

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
    Optional<Decision.Summary> summary() {
      return result instanceof Result.Seen seen ? seen.summary() : Optional.empty();
    }

    boolean isFirst() {
      return summary().filter(Decision.Summary::isFirst).isPresent();
    }

    boolean asksForCondition() {
      return own && summary().filter(Decision.Summary::asksForCondition).isPresent();
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

  private Result observed(CompanionRef ref, Ask ask, Deadline deadline) {
    long began = System.nanoTime();
    boolean done = false;
    try (Span span = tracing.part("reconcile").with("companion", ref.toString())) {
      try (Room.Place place = everyNode.place()) {
        Result result = reconcile(ref, ask, place, deadline);
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
    private final Room.Place everyNode;
    private @Nullable KnownFacts known;
    private int opened;
    private int moved;
    private int conflicts;

    /// What the status is to say of a placement that a look before has tried to write.
    private @Nullable PlacementWrites placed;

    Progress(@Nullable KnownFacts known, Room.Place everyNode) {
      this.known = known;
      this.everyNode = everyNode;
    }

    /// What was read before the run began, unless it had to wait for that: read again, it is less
    /// likely to lose a race. Only the first look takes it.
    Optional<KnownFacts> known(Instant now) {
      Optional<KnownFacts> fresh =
          Optional.ofNullable(known).filter(it -> now.isBefore(it.now().plus(FRESH)));
      known = null;
      return fresh;
    }

    boolean mayOpen() {
      return opened < MAX_OPENINGS;
    }

    boolean mayMove() {
      return moved < MAX_MOVES;
    }
  }

  private Result reconcile(CompanionRef ref, Ask ask, Room.Place everyNode, Deadline deadline) {
    Progress progress = new Progress(ask.known(), everyNode);
    Ask.Late late = ask.late();
    while (progress.conflicts < MAX_CONFLICTS) {
      try {
        Optional<Result> result =
            late != null && progress.conflicts == 0
                ? Optional.of(write(ref, late, deadline))
                : look(ref, ask.occasion(), progress, deadline);
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

  /// Writes what a survey has decided. Where something has changed since, all is read and decided
  /// anew.
  private Result write(CompanionRef ref, Ask.Late late, Deadline deadline) throws LostRace {
    // Whoever has seen something else meanwhile has said so in its status.
    reader.requireUnchanged(late.companion());
    Written written = write(late.decision().steps(false), late.closed(), deadline);
    return report(ref, late.decision(), written, deadline);
  }

  /// Reads, decides and writes once.
  ///
  /// @return empty: budgets were opened, or guards move, and all is to be looked at again
  private Optional<Result> look(
      CompanionRef ref, Occasion occasion, Progress progress, Deadline deadline) throws LostRace {
    Instant now = clock.instant();
    Optional<KnownFacts> before = progress.known(now);
    Optional<KnownFacts> known =
        before.isPresent() ? before : reader.knownFacts(ref, now, deadline);
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
    Occasion all = occasion.withNew(newNodes.names(known.now()));
    Snapshot seen =
        orTell(
            facts,
            Reason.FactUnreadable,
            deadline,
            () -> reader.read(facts, all, progress.everyNode, deadline));
    Decision decision = Decision.of(seen);
    decision.placed().ifPresent(it -> progress.placed = it);
    boolean late = !deadline.left().isPositive();
    Deadline end = late ? forLate(deadline) : deadline;
    if (late) {
      // As what a survey has decided.
      reader.requireUnchanged(seen.companion());
    }
    Written written =
        orTell(
            facts,
            Reason.NotEnforced,
            end,
            () ->
                write(
                    late ? decision.lateSteps() : decision.steps(progress.mayOpen()), closed, end));
    if (late && !decision.mayComeLate()) {
      throw new Unavailable(
          "Out of time before all of it was written: Companion "
              + ref
              + "; the API server is slow");
    }
    if (!late && written.refused().isEmpty() && progress.mayMove() && decision.isMoving()) {
      progress.moved++;
      return Optional.empty();
    }
    if (progress.mayOpen() && decision.opens() && written.transientFailure().isEmpty()) {
      // Once more: whoever found the budget closed meanwhile wrote nothing.
      progress.opened++;
      return Optional.empty();
    }
    return Optional.of(report(ref, decision, written, end));
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
    return new Result.Seen(
        Optional.of(report.summary()), decision.isPending() || report.isUnfinished());
  }
}
