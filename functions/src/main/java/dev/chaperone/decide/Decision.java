package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.Reason;
import dev.chaperone.decide.Conditions.Named;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.HasMetadata;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What a [Snapshot] asks for: the writes, in the order in which they are safe, and what is then
/// said about it.
public final class Decision {
  private static final String ALLOWED = "DisruptionAllowed";

  private final Snapshot seen;
  private final Reasons reasons;
  private final Verdict verdict;
  private final PlacementPlan placement;
  private final GuardPlan guards;
  private final BudgetPlan budgets;

  private Decision(Snapshot seen) {
    this.seen = seen;
    this.guards = GuardPlan.of(seen);
    this.reasons = Reasons.of(seen, guards.count());
    this.verdict = Verdict.of(seen, reasons);
    this.placement = PlacementPlan.of(seen);
    this.budgets = BudgetPlan.of(seen, verdict);
  }

  public static Decision of(Snapshot seen) {
    return new Decision(seen);
  }

  public Verdict verdict() {
    return verdict;
  }

  /// What to write, step after step; the changes of one step depend on none of the others. Closed
  /// before anything else: an open budget here lets a drain outrun what it should wait for. Opened
  /// after everything else, when guards and placement are as they should be.
  public List<List<Change>> steps() {
    return steps(
        Stream.of(
            budgets.closing(),
            Stream.concat(placement.changes().stream(), guards.changes().stream()).toList(),
            budgets.opening()));
  }

  List<Change> changes() {
    return steps().stream().flatMap(List::stream).toList();
  }

  /// What to say once the changes are written: Events for what turned and the status of Holds,
  /// then the Companion's status. Last, because it tells what was done; empty if all of it has
  /// been said before.
  ///
  /// @param refused changes that the API server refused for good, with its words
  public List<List<Change>> report(List<Refusal> refused) {
    CompanionStatus before = seen.status();
    CompanionStatus after = status(refused);
    List<Change> report = new ArrayList<>();
    report.addAll(turns(conditions(before), conditions(after)));
    report.addAll(newlyHeld(before, after));
    report.addAll(Holds.reports(seen.holds(), true, seen.now()));
    return steps(
        Stream.of(
            report,
            after.equals(before) ? List.of() : List.of(new Change.Report(withStatus(after)))));
  }

  private static List<List<Change>> steps(Stream<List<Change>> steps) {
    return steps.filter(step -> !step.isEmpty()).toList();
  }

  /// Whether what was last said of disruptions is no longer so.
  public boolean answerChanged() {
    return Conditions.find(conditions(seen.status()), ALLOWED)
        .map(condition -> "True".equals(condition.getStatus()) != verdict.allowed())
        .orElse(true);
  }

  /// A change that the API server refused, and why.
  public record Refusal(Change change, String message) {}

  /// Whether something will soon be otherwise that no event tells of: a Hold expires, a window
  /// begins or ends, a settle period or a deadline passes, a guard waits for its node.
  public boolean isPending() {
    return guards.count().bound() < guards.count().desired()
        || Pulse.isPending(reasons.nextTurn(seen.now()), seen.now());
  }

  private CompanionStatus status(List<Refusal> refused) {
    List<Named> findings = new ArrayList<>();
    findings.add(new Named("Placed", refusal(refused, true).orElse(placement.finding())));
    findings.add(new Named("Guarded", refusal(refused, false).orElseGet(this::guarded)));
    findings.add(
        new Named(ALLOWED, new Finding(verdict.allowed(), verdict.reason(), verdict.message())));
    evaluated().ifPresent(it -> findings.add(new Named("Evaluated", it)));
    Long generation = seen.companion().getMetadata().getGeneration();
    Timeline timeline = reasons.timeline();
    return new CompanionStatus(
        generation,
        guards.count(),
        heldNodes(),
        reasons.all().stream().map(Decision::reason).toList(),
        text(timeline.heldSince()),
        text(timeline.quietSince()),
        timeline.letGo(),
        Conditions.next(conditions(seen.status()), findings, generation, seen.now()));
  }

  private static Reason reason(HoldReason it) {
    return new Reason(
        it.type(), it.name(), it.message(), String.valueOf(it.since()), text(it.until()));
  }

  private static @Nullable String text(@Nullable Instant time) {
    return time == null ? null : time.toString();
  }

  /// Only where there is something to evaluate.
  private Optional<Finding> evaluated() {
    if (seen.disruption().holdWhen().isEmpty()
        && seen.disruption().maintenanceWindows().isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        reasons.failures().isEmpty()
            ? Finding.good("Evaluated", "Every expression and window could be evaluated")
            : Finding.bad(
                "EvaluationFailed",
                String.join("; ", reasons.failures())
                    + "; failurePolicy: "
                    + seen.disruption().failurePolicy()));
  }

  private Finding guarded() {
    return budgets
        .problem()
        .or(() -> reasons.overlap().map(it -> Finding.bad(it.type(), it.message())))
        .filter(problem -> seen.target() != null)
        .orElse(guards.finding());
  }

  private static Optional<Finding> refusal(List<Refusal> refused, boolean placing) {
    return refused.stream()
        .filter(refusal -> (refusal.change() instanceof Change.Place) == placing)
        .findFirst()
        .map(refusal -> Finding.bad("Refused", refusal.message()));
  }

  /// Cordoned nodes that keep their guard: their drain waits, for a reason to go away or for its
  /// turn.
  private List<String> heldNodes() {
    if (!seen.protects(Protect.Nodes) || seen.target() == null) {
      return List.of();
    }
    boolean turnTaken =
        seen.budget(seen.ref().name() + Made.NODES_SUFFIX)
            .filter(budget -> !seen.waiting().isEmpty())
            .map(budget -> budget.getStatus())
            .map(status -> Objects.equals(status.getDisruptionsAllowed(), 0))
            .orElse(false);
    if (verdict.allowed() && !turnTaken) {
      return List.of();
    }
    Set<String> guarded = seen.roster().guardedNodes();
    return seen.roster().cordoned().stream()
        .map(node -> node.getMetadata().getName())
        .filter(guarded::contains)
        .toList();
  }

  private List<Change> newlyHeld(CompanionStatus before, CompanionStatus after) {
    Set<String> known = new HashSet<>(heldNodes(before));
    String why =
        verdict.allowed()
            ? "as many nodes as may go at once are out; it goes when one of them is back"
            : verdict.message();
    return seen.roster().cordoned().stream()
        .filter(node -> heldNodes(after).contains(node.getMetadata().getName()))
        .filter(node -> !known.contains(node.getMetadata().getName()))
        .<Change>map(
            node ->
                tell(
                    // Events on Nodes are in a namespace of their own.
                    seen.scope().only() == null ? node : seen.companion(),
                    false,
                    "DrainHeld",
                    "Companion %s holds the drain of node %s: %s"
                        .formatted(seen.ref(), node.getMetadata().getName(), why)))
        .toList();
  }

  private List<Change> turns(List<Condition> before, List<Condition> after) {
    return after.stream()
        .filter(
            condition ->
                Conditions.find(before, condition.getType())
                    .filter(old -> Objects.equals(old.getStatus(), condition.getStatus()))
                    .filter(old -> Objects.equals(old.getReason(), condition.getReason()))
                    .isEmpty())
        .map(
            condition -> {
              boolean good = "True".equals(condition.getStatus());
              boolean disruption = ALLOWED.equals(condition.getType());
              return tell(
                  seen.companion(),
                  disruption
                      ? "HoldDeadlinePassed".equals(condition.getReason())
                      : !good && !"GuardsWaiting".equals(condition.getReason()),
                  disruption
                      ? (good ? "DisruptionAllowed" : "DisruptionHeld")
                      : condition.getReason(),
                  condition.getMessage());
            })
        .toList();
  }

  private static Change tell(HasMetadata about, boolean warning, String reason, String message) {
    return new Change.Tell(about, warning, reason, message);
  }

  private Companion withStatus(CompanionStatus status) {
    Companion reported = new Companion();
    reported.setMetadata(seen.companion().getMetadata());
    reported.setSpec(seen.companion().getSpec());
    reported.setStatus(status);
    return reported;
  }

  private static List<String> heldNodes(CompanionStatus status) {
    return status.heldNodes() == null ? List.of() : status.heldNodes();
  }

  private static List<Condition> conditions(CompanionStatus status) {
    return status.conditions() == null ? List.of() : status.conditions();
  }
}
