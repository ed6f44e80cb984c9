package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.decide.Conditions.Named;
import io.fabric8.kubernetes.api.model.Condition;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The report on a Companion of which only the [KnownFacts] are known: those have closed what
/// they could, and nothing more was decided.
public final class Unread {
  private Unread() {}

  /// The status of the Companion and its Holds; empty if it says so already.
  ///
  /// @param reason why nothing was decided
  /// @param words the same, for people
  public static List<Change> report(KnownFacts facts, Reason reason, String words) {
    Finding unread = finding(facts, reason, words);
    List<Change> report =
        new ArrayList<>(
            HoldReports.reports(
                facts.holds(),
                hold ->
                    new HoldReports.Findings(
                        Holds.isExpired(hold, facts.now())
                            ? Finding.bad(
                                Reason.Expired, "Expired at " + hold.getSpec().expiresAt())
                            : Finding.good(Reason.Active, "Counts as a reason to block"),
                        unread,
                        null),
                facts.now()));
    Companion companion = facts.companion();
    CompanionStatus before =
        Optional.ofNullable(companion.getStatus()).orElse(CompanionStatus.NONE);
    List<Condition> conditions = before.conditions() == null ? List.of() : before.conditions();
    List<Condition> after = conditions(conditions, unread, facts);
    if (!after.equals(conditions)) {
      if (reason == Reason.SpecUnreadable) {
        // Of an object that breaks the rules of its CRD, the API server may refuse the status too.
        report.add(
            new Change.TellOnce(
                companion,
                "%s.spec-%d"
                    .formatted(
                        companion.getMetadata().getName(), companion.getMetadata().getGeneration()),
                reason.name(),
                unread.message()));
      }
      Companion reported = new Companion();
      reported.setMetadata(companion.getMetadata());
      reported.setSpec(companion.getSpec());
      reported.setStatus(
          new CompanionStatus(
              before.observedGeneration(),
              before.guards(),
              before.blockedNodes(),
              before.unguardedNodes(),
              // What blocks now is not known to be enforced anywhere.
              null,
              before.drainedNodes(),
              before.taintedNodes(),
              before.heldNodes(),
              before.unhealthyNodes(),
              before.reasons(),
              before.quietSince(),
              before.maintenance(),
              before.placementWrites(),
              after));
      report.add(new Change.Report(reported));
    }
    return report;
  }

  private static List<Condition> conditions(
      List<Condition> before, Finding unread, KnownFacts facts) {
    List<Condition> now =
        Conditions.next(
            before,
            List.of(
                new Named(Decision.READY, Finding.bad(unread.reason(), unread.message())),
                new Named(Decision.ALLOWED, unread)),
            facts.companion().getMetadata().getGeneration(),
            facts.now());
    return Stream.concat(
            now.stream(),
            before.stream().filter(it -> Conditions.find(now, it.getType()).isEmpty()))
        .toList();
  }

  private static Finding finding(KnownFacts facts, Reason reason, String words) {
    boolean closed =
        !facts.budgets().isEmpty()
            && facts.budgets().stream().allMatch(it -> BudgetSpecs.isClosed(it.getSpec()));
    String reasons =
        facts.blocking().stream()
            .limit(Finding.NAMED)
            .map(HoldReason::describe)
            .collect(Collectors.joining("; "));
    // After a decision nobody knows how much of it was written.
    boolean undecided = reason == Reason.FactUnreadable || reason == Reason.SpecUnreadable;
    String known =
        undecided ? "The budgets are %s. ".formatted(closed ? "closed" : "not all closed") : "";
    return Finding.unknown(
        reason, known + words + (reasons.isEmpty() ? "" : ". Reasons to block: " + reasons));
  }
}
