package dev.chaperone.decide;

import dev.chaperone.api.Hold;
import dev.chaperone.api.HoldStatus;
import io.fabric8.kubernetes.api.model.Condition;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// What the status of each Hold says.
public final class HoldReports {
  private static final String ACTIVE = "Active";

  /// Anybody who may hold can name any number of Companions that do not exist.
  private static final int MAX_STRAYS = 100;

  private HoldReports() {}

  /// What is written back to each of these Holds whose status says otherwise.
  ///
  static List<Change> reports(List<Hold> holds, Function<Hold, Findings> findings, Instant now) {
    return holds.stream()
        .map(hold -> report(hold, findings.apply(hold), now))
        .flatMap(Optional::stream)
        .toList();
  }

  /// The same for Holds whose Companion does not exist.
  public static List<Change> withoutCompanion(List<Hold> holds, Instant now) {
    return reports(
        holds,
        hold -> {
          String companion = hold.getSpec().companionRef().name();
          Finding missing =
              Finding.bad(
                  Reason.CompanionNotFound,
                  "Companion %s does not exist in this namespace; this Hold has no effect: fix companionRef.name or create the Companion"
                      .formatted(companion));
          return new Findings(missing, notActive(missing), null);
        },
        now);
  }

  /// The Companions, of which there is none, of those of these Holds that do not say so yet: at
  /// most 100, the rest is for the next resync.
  ///
  /// @param everyone every Companion that there is
  public static SortedSet<CompanionRef> strays(
      Collection<Hold> holds, Collection<CompanionRef> everyone, Instant now) {
    return holds.stream()
        .filter(hold -> hold.getSpec() != null && !everyone.contains(CompanionRef.of(hold)))
        .filter(hold -> !withoutCompanion(List.of(hold), now).isEmpty())
        .map(CompanionRef::of)
        .distinct()
        .limit(MAX_STRAYS)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /// What a Hold is told: whether it counts, and whether what it asks for is achieved.
  ///
  /// @param unprotectedGuards absent: there is nothing to say of them
  record Findings(Finding active, Finding enforced, @Nullable List<String> unprotectedGuards) {}

  /// What each Hold of a Companion is told.
  ///
  /// @param enforced what was achieved for those that count
  /// @param unprotectedGuards what those that count are told besides; absent: nothing
  static Findings findings(
      Hold hold,
      Reasons reasons,
      Verdict verdict,
      Finding enforced,
      @Nullable List<String> unprotectedGuards,
      Instant now) {
    Finding counts = active(hold, reasons, verdict, now);
    Finding active =
        counts.good() && enforced.reason() == Reason.NoMatchingNodes ? enforced : counts;
    return active.good()
        ? new Findings(active, enforced, unprotectedGuards)
        : new Findings(active, notActive(active), null);
  }

  private static Finding active(Hold hold, Reasons reasons, Verdict verdict, Instant now) {
    String companion = hold.getSpec().companionRef().name();
    if (Holds.isExpired(hold, now)) {
      return Finding.bad(Reason.Expired, "Expired at " + hold.getSpec().expiresAt());
    }
    if (verdict instanceof Verdict.Allowed allowed && allowed.reason() == Reason.AlwaysAllow) {
      return Finding.bad(
          Reason.AlwaysAllow,
          "Companion %s ignores Holds: its policy is AlwaysAllow".formatted(companion));
    }
    if (verdict instanceof Verdict.Allowed allowed && allowed.reason() == Reason.BreakGlass) {
      return Finding.bad(
          Reason.BreakGlass,
          "Companion %s ignores Holds: %s".formatted(companion, allowed.message()));
    }
    boolean overdue =
        reasons.overdue().stream()
            .anyMatch(
                it -> it.type() == Reason.Hold && it.id().equals(hold.getMetadata().getUid()));
    if (overdue) {
      return Finding.bad(
          Reason.MaxHoldDurationExceeded,
          "Exists since %s, longer than maxHoldDuration of Companion %s allows: it no longer counts"
              .formatted(hold.getMetadata().getCreationTimestamp(), companion));
    }
    return Finding.good(Reason.Active, "Counts as a reason to block for Companion " + companion);
  }

  private static Finding notActive(Finding active) {
    return Finding.bad(Reason.NotActive, active.message());
  }

  private static Optional<Change> report(Hold hold, Findings findings, Instant now) {
    List<Condition> before = Holds.conditions(hold);
    List<Condition> after =
        Conditions.next(
            before,
            List.of(
                new Conditions.Named(ACTIVE, findings.active()),
                new Conditions.Named(Holds.ENFORCED, findings.enforced())),
            hold.getMetadata().getGeneration(),
            now);
    HoldStatus status = new HoldStatus(after, findings.unprotectedGuards());
    if (status.equals(hold.getStatus())) {
      return Optional.empty();
    }
    Hold reported = new Hold();
    reported.setMetadata(hold.getMetadata());
    reported.setSpec(hold.getSpec());
    reported.setStatus(status);
    return Optional.of(new Change.ReportHold(reported));
  }
}
