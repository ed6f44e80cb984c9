package dev.chaperone.decide;

import dev.chaperone.api.Hold;
import dev.chaperone.api.HoldStatus;
import io.fabric8.kubernetes.api.model.Condition;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/// Which Holds hold, and what each is told about itself.
public final class Holds {
  private static final String ACTIVE = "Active";

  private Holds() {}

  static List<HoldReason> reasons(Snapshot seen) {
    return seen.holds().stream()
        .filter(hold -> isActive(hold, seen.now()))
        .sorted(Comparator.comparing(hold -> hold.getMetadata().getName()))
        .map(Holds::reason)
        .toList();
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

  /// Whether the Hold holds, and does not yet say that its Companion's budgets are closed.
  public static boolean isNew(Hold hold, Instant now) {
    return isActive(hold, now)
        && Conditions.find(conditions(hold), ACTIVE)
            .filter(it -> "True".equals(it.getStatus()))
            .isEmpty();
  }

  private static Optional<Change> report(Hold hold, boolean companionExists, Instant now) {
    List<Condition> before = conditions(hold);
    List<Condition> after =
        Conditions.next(
            before,
            List.of(new Conditions.Named(ACTIVE, finding(hold, companionExists, now))),
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

  private static List<Condition> conditions(Hold hold) {
    return Optional.ofNullable(hold.getStatus()).map(HoldStatus::conditions).orElse(List.of());
  }

  private static boolean isActive(Hold hold, Instant now) {
    return expiry(hold).map(now::isBefore).orElse(true);
  }

  /// A time that cannot be read never comes: it holds on, because the safe side is closed.
  static Optional<Instant> expiry(Hold hold) {
    try {
      return Optional.ofNullable(hold.getSpec().expiresAt())
          .map(time -> OffsetDateTime.parse(time).toInstant());
    } catch (DateTimeParseException unreadable) {
      return Optional.empty();
    }
  }

  private static HoldReason reason(Hold hold) {
    String name = hold.getMetadata().getName();
    return new HoldReason(
        "Hold",
        name,
        "Hold " + name + ": " + hold.getSpec().reason(),
        Instant.parse(hold.getMetadata().getCreationTimestamp()),
        expiry(hold).orElse(null));
  }
}
