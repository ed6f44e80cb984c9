package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.BlockingReason;
import dev.chaperone.api.CompanionStatus.PlacementWrites;
import dev.chaperone.api.Hold;
import dev.chaperone.decide.Conditions.Named;
import dev.chaperone.decide.Written.Refusal;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Pod;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What a [Snapshot] asks for: the writes, in the order in which they are safe, and what is then
/// said about it.
public final class Decision {
  static final String ALLOWED = "DisruptionAllowed";
  static final String READY = "Ready";

  /// So many Holds are listed in the status; all of them count.
  private static final int MAX_HOLDS_IN_STATUS = 20;

  /// So many Holds are told in one run, within the time that it has.
  private static final int MAX_HOLDS_AT_ONCE = 500;

  private static final int MAX_UNPROTECTED_GUARDS = 100;

  private final Snapshot seen;
  private final GuardState state;
  private final Reasons reasons;
  private final Verdict verdict;
  private final HeldNodes held;
  private final UnhealthyNodes unhealthy;
  private final PlacementPlan placement;
  private final GuardPlan guards;
  private final BudgetPlan budgets;
  private final Maintenance maintenance;

  private Decision(Snapshot seen) {
    this.seen = seen;
    this.state = GuardState.of(seen);
    this.reasons = Reasons.of(seen, state);
    this.verdict = Verdict.of(seen, reasons);
    this.held = HeldNodes.of(seen, reasons, Domains.of(seen, state));
    this.placement = PlacementPlan.of(seen);
    this.guards = GuardPlan.of(seen, state, reasons, held, verdict);
    this.unhealthy = UnhealthyNodes.of(seen, held, verdict, guards.replicas());
    this.budgets = BudgetPlan.of(seen, verdict, reasons, held, unhealthy, guards.replicas());
    this.maintenance = Maintenance.of(seen);
  }

  public static Decision of(Snapshot seen) {
    return new Decision(seen);
  }

  Verdict verdict() {
    return verdict;
  }

  /// What to write, step after step; the changes of one step depend on none of the others. Closed
  /// before anything else: an open budget here lets a drain outrun what it should wait for. Opened
  /// after everything else, when guards and placement are as they should be.
  ///
  /// @param mayOpen whether what gives room is among them
  public List<List<Change>> steps(boolean mayOpen) {
    return steps(
        Stream.of(
            withdrawn(),
            budgets.closing(),
            moves(),
            Stream.concat(placement.changes().stream(), guards.changes().stream()).toList(),
            mayOpen ? budgets.opening() : List.of(),
            Holds.leftovers(seen.holds(), seen.now())));
  }

  /// Guards move only between budgets that are both as they should be.
  private List<Change> moves() {
    return budgets.closing().isEmpty() && budgets.problem().isEmpty()
        ? Stream.concat(held.moves().stream(), unhealthy.moves().stream()).toList()
        : List.of();
  }

  /// Whether guards are on their way to another budget: each further look goes one step on.
  public boolean isMoving() {
    return (!held.moves().isEmpty() || !held.counted() || unhealthy.isMoving())
        && budgets.problem().isEmpty();
  }

  /// Holds that say they are enforced, and are to be so no longer, say that before a budget is
  /// written.
  private List<Change> withdrawn() {
    if (!verdict.allowed()) {
      return List.of();
    }
    Finding opening = Finding.bad(Reason.NotEnforced, "Nothing is blocked: " + verdict.message());
    Enforcement before = Enforcement.of(seen, state, held, budgets, Written.NOTHING);
    return HoldReports.reports(
        seen.holds().stream().filter(hold -> !Holds.isNew(hold, seen.now())).toList(),
        hold -> findings(hold, opening, null, before),
        seen.now());
  }

  /// What a Hold is told.
  ///
  /// @param everywhere what is achieved for those of every node
  /// @param unprotectedGuards the same
  private HoldReports.Findings findings(
      Hold hold,
      Finding everywhere,
      @Nullable List<String> unprotectedGuards,
      Enforcement enforcement) {
    Optional<NodeChoice> nodes = NodeChoice.of(hold.getSpec());
    if (nodes.isEmpty()) {
      return HoldReports.findings(
          hold, reasons, verdict, everywhere, unprotectedGuards, seen.now());
    }
    boolean all = !verdict.allowed() && enforcement.isClosed();
    HeldNodes.Achieved achieved =
        held.achieved(seen, state, enforcement.heldGap(), all, nodes.get());
    Finding enforced = achieved.finding();
    return HoldReports.findings(
        hold,
        reasons,
        verdict,
        enforced,
        enforced.good() ? null : achieved.unprotected(),
        seen.now());
  }

  /// Whether a budget that is there is to take room away.
  public boolean closes() {
    return budgets.closing().stream().anyMatch(Change.Replace.class::isInstance);
  }

  /// Whether it gives room. Then everything has to be looked at once more: a run that found the
  /// budget closed already wrote nothing that would have fenced this one.
  public boolean opens() {
    return !budgets.opening().isEmpty();
  }

  /// What the status is to say of the placement, once the changes are written; empty if they hold
  /// none.
  public Optional<PlacementWrites> placed() {
    return placement.changes().isEmpty()
        ? Optional.empty()
        : Optional.ofNullable(placement.writes());
  }

  List<Change> changes() {
    return steps(true).stream().flatMap(List::stream).toList();
  }

  /// What there is to say once the changes are written.
  public Report report(Written written) {
    return new Report(written);
  }

  /// Whether there is nothing to write, and nothing to say that was not said before.
  public boolean isIdle() {
    return everything().isEmpty();
  }

  /// What there is to write, and what there is to say before it is.
  private List<List<Change>> everything() {
    return Stream.concat(steps(true).stream(), report(Written.NOTHING).steps().stream()).toList();
  }

  /// Whether all of it may be written although what this decides on was seen some seconds ago, as
  /// in a survey. What gives room is decided on what has just been read.
  public boolean mayComeLate() {
    return budgets.opening().isEmpty()
        && everything().stream().flatMap(List::stream).allMatch(Change::mayComeLate);
  }

  /// What may be written then, step after step: all, if all of it may; otherwise nothing of what is
  /// said before a budget opens, either.
  public List<List<Change>> lateSteps() {
    return mayComeLate()
        ? steps(false)
        : steps(
            Stream.of(budgets.closing(), guards.changes())
                .map(step -> step.stream().filter(Change::mayComeLate).toList()));
  }

  /// Whether the nodes that are not cordoned make a difference, to what is written or to what is
  /// said.
  public boolean needsEveryNode() {
    return FewNodes.needEveryNode(seen.ofCordonedNodes()) || needsPulse();
  }

  /// Whether they make a difference that a look sees only for a pulse: for any other event, it
  /// reads every node where the few do not explain the guards, and here they would.
  public boolean needsPulse() {
    Snapshot few = seen.ofCordonedNodes();
    return !FewNodes.needEveryNode(few) && !everything().equals(of(few).everything());
  }

  private static List<List<Change>> steps(Stream<List<Change>> steps) {
    return steps.filter(step -> !step.isEmpty()).toList();
  }

  /// Whether something will soon change that no event announces: a Hold expires, a window
  /// begins or ends, a settle period or a maximum duration passes, a guard waits for its node, an
  /// Eviction for the next heartbeat, or the selector of another's budget, which is its owner's to
  /// mend.
  public boolean isPending() {
    return state.count().running() < state.count().desired()
        || reasons.overlap().isPresent()
        || !held.counted()
        || unhealthy.isMoving()
        || maintenance.isUnfinished()
        || !seen.evictions().waiting(seen.ref()).isEmpty()
        || Pulse.isPending(reasons.nextTurn(), seen.now());
  }

  /// What whoever asked for a look needs of its report: without the snapshot, which may have every
  /// node.
  ///
  /// @param isFirst whether nothing was said of the Companion before
  /// @param asksForCondition whether nodes are to say whether the follower is ready there, and
  ///     this installation lets them
  /// @param whyIneffective why a Hold blocks nothing, by its uid; empty: it does
  /// @param mayBecomeEffective whether that can change without anybody changing a spec
  public record Summary(
      boolean isFirst,
      boolean asksForCondition,
      Map<String, Optional<String>> whyIneffective,
      boolean mayBecomeEffective) {

    /// Why a Hold holds nothing; empty if every budget is closed and it counts.
    ///
    /// @param uid of the Hold
    public Optional<String> whyIneffective(String uid) {
      return whyIneffective.getOrDefault(uid, Optional.of("it was deleted meanwhile"));
    }
  }

  /// The report of what was achieved: in the status of the Companion and its Holds, in Kubernetes
  /// Events, in the reply and in the log, each time in the same words.
  public final class Report {
    private final List<Refusal> refused;
    private final Enforcement enforcement;
    private final Finding allowed;
    private final Finding enforced;
    private final CompanionStatus before = seen.status();
    private final @Nullable List<String> unprotectedGuards;
    private final CompanionStatus after;
    private final Map<String, HoldReports.Findings> findings;
    private final List<Change> holds;

    private Report(Written written) {
      this.refused = written.refused();
      this.enforcement = Enforcement.of(seen, state, held, budgets, written);
      this.allowed = allowed();
      this.enforced = enforced();
      this.unprotectedGuards = unprotectedGuards();
      this.after = status();
      this.findings =
          seen.holds().stream()
              .collect(
                  Collectors.toMap(
                      hold -> hold.getMetadata().getUid(),
                      hold ->
                          Decision.this.findings(hold, enforced, unprotectedGuards, enforcement),
                      (one, _) -> one));
      this.holds = HoldReports.reports(seen.holds(), this::findings, seen.now());
    }

    /// Whether there is more to report than one run can: the rest is for the next.
    public boolean isUnfinished() {
      return holds.size() > MAX_HOLDS_AT_ONCE;
    }

    /// Events for what changed, reports on nodes and the status of Holds, then the Companion's
    /// status. Last, because it reports what was done; empty if nothing of it is new.
    public List<List<Change>> steps() {
      List<Change> told = new ArrayList<>();
      told.addAll(turns(conditions(before), conditions(after)));
      told.addAll(newlyOverdue());
      maintenance
          .turn()
          .map(it -> tell(seen.companion(), false, it.reason().name(), it.message()))
          .ifPresent(told::add);
      told.addAll(
          DrainBlocked.changes(
              seen,
              orEmpty(before.blockedNodes()),
              orEmpty(after.blockedNodes()),
              this::whyDrainWaits));
      told.addAll(EvictionResponder.changes(seen, this::answer));
      told.addAll(holds.stream().limit(MAX_HOLDS_AT_ONCE).toList());
      return Decision.steps(
          Stream.of(
              told, after.equals(before) ? List.of() : List.of(new Change.Report(withStatus()))));
    }

    /// What is needed of it later.
    public Summary summary() {
      return new Summary(
          conditions(before).isEmpty(),
          seen.settings().marksNodes() && CompanionReady.isAskedFor(seen.companion()),
          seen.holds().stream()
              .collect(
                  Collectors.toMap(
                      hold -> hold.getMetadata().getUid(), this::whyIneffective, (one, _) -> one)),
          verdict instanceof Verdict.Held || !held.reasons().isEmpty());
    }

    /// What the reply says.
    public Answer answer() {
      return new Answer(
          seen.ref(),
          switch (allowed.status()) {
            case True -> Answer.Result.ALLOWED;
            case False -> Answer.Result.HELD;
            case Unknown -> Answer.Result.NOT_ENFORCED;
          },
          allowed.reason(),
          allowed.message());
    }

    /// What changed on one node.
    public Optional<Maintenance.Turn> maintenance() {
      return maintenance.turn();
    }

    /// Whether what was last said of disruptions is no longer so.
    public boolean answerChanged() {
      return Conditions.find(conditions(before), ALLOWED)
          .map(condition -> !allowed.status().name().equals(condition.getStatus()))
          .orElse(true);
    }

    private Optional<String> whyIneffective(Hold hold) {
      HoldReports.Findings findings = findings(hold);
      if (!findings.active().good()) {
        return Optional.of(findings.active().message());
      }
      boolean blocks =
          NodeChoice.of(hold.getSpec()).isEmpty()
              ? !verdict.allowed() && enforcement.isClosed()
              : findings.enforced().good();
      return blocks ? Optional.empty() : Optional.of(findings.enforced().message());
    }

    private HoldReports.Findings findings(Hold hold) {
      return Objects.requireNonNull(findings.get(hold.getMetadata().getUid()));
    }

    /// What a cordoned node that keeps its guard is told.
    private Finding whyDrainWaits(String node) {
      return verdict.allowed() && held.keeps(node) && held.marks().containsKey(node)
          ? held.why(node)
          : whyDrainsWait();
    }

    /// What a node that is blocked is told: that others are not is nothing to it.
    private Finding whyDrainsWait() {
      if (verdict instanceof Verdict.Held held && enforcement.isClosed()) {
        return Finding.bad(held.reason(), held.message());
      }
      return onlyUnhealthyNodesMayGo() ? usedUp("drains") : allowed;
    }

    /// What an Eviction of a guard is answered. Where a budget only counts, there is nothing for a
    /// responder to wait for.
    ///
    /// @param node on which the guard is
    private EvictionResponder.Answer answer(Pod guard, String node) {
      boolean blocks = Roster.isRunning(guard) && keepsGuardOf(node);
      if (verdict instanceof Verdict.Held(List<HoldReason> all)) {
        return new EvictionResponder.Answer(
            true, blocks, whyDrainsWait().message(), HoldReason.end(all));
      }
      if (held.marks().containsKey(node)) {
        return new EvictionResponder.Answer(
            true,
            blocks,
            held.why(node).message(),
            HoldReason.end(held.reasons().getOrDefault(node, List.of())));
      }
      return new EvictionResponder.Answer(
          false, blocks, (blocks ? whyDrainsWait() : allowed).message(), null);
    }

    private Finding allowed() {
      return switch (verdict) {
        case Verdict.Held _ when enforcement.isComplete() -> whyDrainsWait();
        case Verdict.Held held ->
            Finding.unknown(
                Reason.NotEnforced,
                "Should be blocked, but is not everywhere: %s. Reasons to block: %s"
                    .formatted(enforcement.missing(), held.message()));
        case Verdict.Allowed(Reason reason, String message)
            when !enforcement.notOpened().isEmpty() ->
            blocked(
                Reason.NotOpened,
                String.join("; ", enforcement.notOpened()) + ". Should be open: " + message);
        case Verdict.Allowed(Reason reason, String message) when onlyUnhealthyNodesMayGo() ->
            Finding.good(
                Reason.OnlyUnhealthyNodes,
                "Only nodes whose target pod is not ready may be drained: %s. %s"
                    .formatted(
                        Finding.named(List.copyOf(unhealthy.apart()), ", "),
                        usedUp("other drains").message()));
        case Verdict.Allowed(Reason reason, String message) when enforcement.usedUp() ->
            usedUp("drains");
        case Verdict.Allowed(Reason reason, String message) ->
            held.describe()
                .map(it -> butNotTheHeld(reason, message, it))
                .orElse(Finding.good(reason, message));
      };
    }

    private Finding butNotTheHeld(Reason reason, String message, String holds) {
      return reason == Reason.NothingHolds
          ? Finding.good(
              held.reasons().isEmpty() ? Reason.OneDomainAtATime : Reason.NodesHeld,
              "At most %s may be disrupted at a time, but not what these block: %s"
                  .formatted(Verdict.atMost(seen.disruption()), holds))
          : Finding.good(reason, message + ". Blocked all the same: " + holds);
    }

    private boolean onlyUnhealthyNodesMayGo() {
      return verdict.allowed()
          && enforcement.notOpened().isEmpty()
          && enforcement.usedUp()
          && !unhealthy.apart().isEmpty();
    }

    /// Blocked by a budget that need not be closed: but for nodes that no budget protects.
    private Finding blocked(Reason reason, String message) {
      return enforcement.everyGuardIsProtected()
          ? Finding.bad(reason, message)
          : Finding.unknown(reason, message);
    }

    /// @param drains which of them wait
    private Finding usedUp(String drains) {
      List<String> nodes =
          Stream.concat(state.unavailable().stream(), unhealthy.unavailable().stream()).toList();
      String words =
          switch (nodes.size()) {
            case 0 ->
                (isMoving()
                        ? "guards on their way to another budget; %s continue when Kubernetes has counted them there"
                        : "pods that are not ready; %s continue when one of them is")
                    .formatted(drains);
            case 1 ->
                "node %s; %s continue when it is back or deleted"
                    .formatted(nodes.getFirst(), drains);
            default ->
                "nodes %s; %s continue when one of them is back or deleted"
                    .formatted(Finding.named(nodes, ", "), drains);
          };
      return blocked(
          Reason.MaxUnavailableReached,
          "maxUnavailable (%s) is used up by %s"
              .formatted(seen.disruption().maxUnavailable().getValue(), words));
    }

    /// What the Holds that count are told.
    private Finding enforced() {
      if (verdict.allowed()) {
        return Finding.bad(Reason.NotEnforced, "Nothing is blocked: " + verdict.message());
      }
      if (!enforcement.isComplete()) {
        return Finding.bad(Reason.NotEnforced, enforcement.missing());
      }
      String drained =
          state.drained().isEmpty()
              ? ""
              : "; already drained: " + String.join(", ", state.drained());
      return Finding.good(
          Reason.Enforced,
          seen.protects(Protect.Nodes)
              ? "Evictions are refused on %s the target%s"
                  .formatted(
                      state.count().running() == 1
                          ? "1 node that runs"
                          : state.count().running() + " nodes that run",
                      drained)
              : "Evictions of the follower's pods are refused");
    }

    /// The guards whose eviction no budget refuses, if there is nothing else that is not enforced;
    /// of too many there is none, and so all are taken for unprotected.
    private @Nullable List<String> unprotectedGuards() {
      if (verdict.allowed() || !enforcement.isClosed() || enforcement.isComplete()) {
        return null;
      }
      List<String> guards =
          seen.notRunning().stream().map(it -> it.getMetadata().getName()).sorted().toList();
      return guards.size() > MAX_UNPROTECTED_GUARDS ? null : guards;
    }

    private CompanionStatus status() {
      List<Named> findings = new ArrayList<>();
      findings.add(new Named("Placed", refusal(true).orElse(placement.finding())));
      findings.add(new Named("Guarded", refusal(false).orElseGet(this::guarded)));
      evaluated().ifPresent(it -> findings.add(new Named("Evaluated", it)));
      findings.addFirst(new Named(READY, ready(findings)));
      findings.add(new Named(ALLOWED, allowed));
      Long generation = seen.companion().getMetadata().getGeneration();
      Timeline timeline = reasons.timeline();
      return new CompanionStatus(
          generation,
          state.count(),
          blockedNodes(),
          state.unguarded().stream().limit(GuardPlan.MAX_NODES_IN_STATUS).toList(),
          unprotectedGuards,
          timeline.drained(),
          guards.tainted(),
          held.remembered().stream().limit(GuardPlan.MAX_NODES_IN_STATUS).toList(),
          UnhealthyNodes.haveBudget(seen)
              ? unhealthy.apart().stream().limit(GuardPlan.MAX_NODES_IN_STATUS).toList()
              : null,
          reasons(),
          text(timeline.quietSince()),
          seen.spec().maintenance() == null ? null : maintenance.nodes(),
          refusal(true).isPresent() ? before.placementWrites() : placement.writes(),
          Conditions.next(conditions(before), findings, generation, seen.now()));
    }

    private List<BlockingReason> reasons() {
      List<HoldReason> all = reasons.all();
      return Stream.concat(
              all.stream().filter(it -> it.type() != Reason.Hold),
              all.stream().filter(it -> it.type() == Reason.Hold).limit(MAX_HOLDS_IN_STATUS))
          .map(
              it ->
                  new BlockingReason(
                      it.type().name(),
                      it.name(),
                      Conditions.cut(it.message()),
                      String.valueOf(it.since()),
                      text(it.until()),
                      it.overdue() ? true : null,
                      it.nodes() instanceof NodeChoice.Named named ? named.name() : null,
                      it.nodes() instanceof NodeChoice.Labeled some ? some.labels() : null))
          .toList();
    }

    /// Whether what the Companion asks for is in place; that something holds is no fault.
    private Finding ready(List<Named> findings) {
      boolean failed =
          allowed.reason() == Reason.NotEnforced || allowed.reason() == Reason.NotOpened;
      return Stream.concat(
              findings.stream().map(Named::finding), failed ? Stream.of(allowed) : Stream.of())
          .filter(it -> !it.good())
          .findFirst()
          .map(it -> Finding.bad(it.reason(), it.message()))
          .or(Decision.this::noConditions)
          .orElse(
              Finding.good(Reason.Ready, "Placement, guards and budgets are as they should be"));
    }

    private Finding guarded() {
      return budgets
          .problem()
          .or(() -> reasons.overlap().map(it -> Finding.bad(it.type(), it.message())))
          .filter(problem -> seen.target() != null)
          .orElse(guards.finding());
    }

    private Optional<Finding> refusal(boolean placing) {
      return refused.stream()
          .filter(refusal -> (refusal.change() instanceof Change.Place) == placing)
          .findFirst()
          .map(refusal -> Finding.bad(Reason.Refused, refusal.message()));
    }

    /// Cordoned nodes that keep their guard: their drain waits, for a reason to clear or for its
    /// turn.
    private List<String> blockedNodes() {
      Set<String> guarded = seen.roster().runningGuardNodes();
      return seen.roster().cordoned().stream()
          .map(node -> node.getMetadata().getName())
          .filter(guarded::contains)
          .filter(this::keepsGuardOf)
          .toList();
    }

    /// Whether the budget over the guard of this node refuses its eviction, if it runs.
    private boolean keepsGuardOf(String node) {
      if (held.keeps(node)) {
        return enforcement.heldGap().isEmpty();
      }
      return unhealthy.apart().contains(node)
          ? enforcement.blocksUnhealthy()
          : enforcement.blocksDrains();
    }

    private List<Change> newlyOverdue() {
      Set<String> known =
          orEmpty(before.reasons()).stream()
              .filter(it -> Boolean.TRUE.equals(it.overdue()))
              .map(it -> it.type() + "/" + it.name())
              .collect(Collectors.toSet());
      return reasons.overdue().stream()
          .filter(it -> it.type().yields())
          .filter(it -> !known.contains(it.type() + "/" + it.name()))
          .limit(MAX_HOLDS_IN_STATUS)
          .map(
              it ->
                  tell(
                      seen.companion(),
                      true,
                      Reason.MaxHoldDurationExceeded.name(),
                      "maxHoldDuration %s exceeded, no longer blocks: %s"
                          .formatted(seen.disruption().maxHoldDuration(), it.describe())))
          .toList();
    }

    private Companion withStatus() {
      Companion reported = new Companion();
      reported.setMetadata(seen.companion().getMetadata());
      reported.setSpec(seen.companion().getSpec());
      reported.setStatus(after);
      return reported;
    }
  }

  private Optional<Finding> noConditions() {
    return CompanionReady.isAskedFor(seen.companion()) && !seen.settings().marksNodes()
        ? Optional.of(
            Finding.bad(
                Reason.NodeConditionsOff,
                "spec.nodeCondition asks for a condition on nodes, and this installation writes none: apply knative/overlays/node-conditions, or remove the field"))
        : Optional.empty();
  }

  /// Only where there is something to evaluate.
  private Optional<Finding> evaluated() {
    if (seen.disruption().holdWhen().isEmpty()
        && seen.disruption().maintenanceWindows().isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        reasons.failures().isEmpty()
            ? Finding.good(Reason.Evaluated, "Every expression and window could be evaluated")
            : Finding.bad(
                Reason.EvaluationFailed,
                String.join("; ", reasons.failures())
                    + "; failurePolicy: "
                    + seen.disruption().failurePolicy()));
  }

  private List<Change> turns(List<Condition> before, List<Condition> after) {
    return after.stream()
        // Says nothing that another condition does not say.
        .filter(condition -> !READY.equals(condition.getType()))
        .filter(
            condition ->
                Conditions.find(before, condition.getType())
                    .filter(old -> Objects.equals(old.getStatus(), condition.getStatus()))
                    .filter(old -> Objects.equals(old.getReason(), condition.getReason()))
                    .isEmpty())
        .map(
            condition ->
                tell(
                    seen.companion(),
                    Reason.of(condition.getReason()).map(Reason::warns).orElse(true),
                    eventReason(condition),
                    condition.getMessage()))
        .toList();
  }

  private static String eventReason(Condition condition) {
    if (!ALLOWED.equals(condition.getType())) {
      return condition.getReason();
    }
    return switch (condition.getStatus()) {
      case "True" -> "DisruptionAllowed";
      case "False" -> "DisruptionBlocked";
      default -> Reason.NotEnforced.name();
    };
  }

  private static Change tell(HasMetadata about, boolean warning, String reason, String message) {
    return new Change.Tell(about, warning, reason, message);
  }

  private static @Nullable String text(@Nullable Instant time) {
    return time == null ? null : time.toString();
  }

  private static <T> List<T> orEmpty(@Nullable List<T> list) {
    return list == null ? List.of() : list;
  }

  private static List<Condition> conditions(CompanionStatus status) {
    return orEmpty(status.conditions());
  }
}
