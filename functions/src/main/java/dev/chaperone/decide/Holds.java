package dev.chaperone.decide;

import dev.chaperone.api.Hold;
import dev.chaperone.api.HoldStatus;
import dev.chaperone.decide.Verdict.HoldReason;
import io.fabric8.kubernetes.api.model.Condition;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/// Which Holds hold, and what each is told about itself.
public final class Holds {
  /// So many are named; a message is read at 3 a.m. and has room for 32,768 characters.
  private static final int NAMED = 5;

  private Holds() {}

  static List<HoldReason> reasons(Snapshot seen) {
    List<Hold> active =
        seen.holds().stream()
            .filter(hold -> isActive(hold, seen.now()))
            .sorted(Comparator.comparing(hold -> hold.getMetadata().getName()))
            .toList();
    if (active.isEmpty()) {
      return List.of();
    }
    String named =
        active.stream().limit(NAMED).map(Holds::describe).collect(Collectors.joining("; "));
    String more = active.size() > NAMED ? "; and " + (active.size() - NAMED) + " more" : "";
    return List.of(new HoldReason("Hold", named + more));
  }

  /// What is written back to each of these Holds whose status says otherwise.
  ///
  /// @param companionExists whether the Companion that they name is there to be held
  public static List<Change> reports(List<Hold> holds, boolean companionExists, Instant now) {
    return holds.stream()
        .map(hold -> report(hold, companionExists, now))
        .flatMap(Optional::stream)
        .toList();
  }

  private static Optional<Change> report(Hold hold, boolean companionExists, Instant now) {
    List<Condition> before =
        Optional.ofNullable(hold.getStatus()).map(HoldStatus::conditions).orElse(List.of());
    List<Condition> after =
        Conditions.next(
            before,
            List.of(new Conditions.Named("Active", finding(hold, companionExists, now))),
            hold.getMetadata().getGeneration(),
            now);
    if (after.equals(before)) {
      return Optional.empty();
    }
    Hold reported = new Hold();
    reported.setMetadata(hold.getMetadata());
    reported.setSpec(hold.getSpec());
    reported.setStatus(new HoldStatus(after));
    return Optional.of(new Change.ReportHold(reported));
  }

  private static Finding finding(Hold hold, boolean companionExists, Instant now) {
    String companion = hold.getSpec().companionRef().name();
    if (!companionExists) {
      return Finding.bad(
          "CompanionMissing",
          "There is no Companion "
              + companion
              + " in this namespace, so nothing is held: correct companionRef.name, or create it");
    }
    if (!isActive(hold, now)) {
      return Finding.bad("Expired", "Expired at " + hold.getSpec().expiresAt());
    }
    return Finding.good("Holding", "Keeps the budgets of Companion " + companion + " closed");
  }

  private static boolean isActive(Hold hold, Instant now) {
    return expiry(hold).map(now::isBefore).orElse(true);
  }

  /// A time that cannot be read never comes: it holds on, because the safe side is closed.
  private static Optional<Instant> expiry(Hold hold) {
    try {
      return Optional.ofNullable(hold.getSpec().expiresAt())
          .map(time -> OffsetDateTime.parse(time).toInstant());
    } catch (DateTimeParseException unreadable) {
      return Optional.empty();
    }
  }

  private static String describe(Hold hold) {
    String until =
        Optional.ofNullable(hold.getSpec().expiresAt())
            .map(time -> "until " + time)
            .orElse("until it is deleted");
    return "Hold %s: %s (since %s, %s)"
        .formatted(
            hold.getMetadata().getName(),
            hold.getSpec().reason(),
            hold.getMetadata().getCreationTimestamp(),
            until);
  }
}
