package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.Hold;
import dev.chaperone.api.HoldStatus;
import io.fabric8.kubernetes.api.model.Condition;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Which Holds count.
public final class Holds {
  static final String ENFORCED = "Enforced";

  /// What an event made goes so long after its end.
  private static final Duration KEPT = Duration.ofHours(1);

  private Holds() {}

  /// The policy and the Holds, those that have lasted too long included.
  static List<HoldReason> reasons(Disruption disruption, List<Hold> holds, Instant now) {
    List<HoldReason> reasons = new ArrayList<>();
    if (disruption.policy() == Policy.AlwaysHold) {
      reasons.add(new HoldReason(Reason.AlwaysHold, "", "spec.disruption.policy is AlwaysHold"));
    }
    holds.stream()
        .filter(hold -> !isExpired(hold, now))
        .sorted(Comparator.comparing(hold -> hold.getMetadata().getName()))
        .map(Holds::reason)
        .map(it -> it.within(disruption, now))
        .forEach(reasons::add);
    return reasons;
  }

  /// Whether the Hold counts, and does not yet say that this is enforced.
  public static boolean isNew(Hold hold, Instant now) {
    return !isExpired(hold, now)
        && Conditions.find(conditions(hold), ENFORCED)
            .filter(it -> "True".equals(it.getStatus()))
            .isEmpty();
  }

  /// The nodes that these Holds name, and those that Holds blocked when last looked, each by
  /// itself.
  static Set<String> heldNodes(Companion companion, List<Hold> holds, Instant now) {
    Set<String> nodes =
        choices(holds, NodeChoice.Named.class, now)
            .map(NodeChoice.Named::name)
            .collect(Collectors.toCollection(TreeSet::new));
    Stream.ofNullable(companion.getStatus())
        .flatMap(it -> Stream.ofNullable(it.heldNodes()))
        .forEach(nodes::addAll);
    return nodes;
  }

  /// The same, and those with labels by which these Holds block nodes.
  ///
  /// @param roster with every node that has them
  static Set<String> heldNodes(Companion companion, List<Hold> holds, Instant now, Roster roster) {
    Set<String> nodes = heldNodes(companion, holds, now);
    selectors(holds, now).forEach(it -> nodes.addAll(it.in(roster)));
    return nodes;
  }

  /// The labels by which these Holds block nodes, each by itself.
  public static Set<NodeChoice.Labeled> selectors(List<Hold> holds, Instant now) {
    return choices(holds, NodeChoice.Labeled.class, now).collect(Collectors.toSet());
  }

  private static <T extends NodeChoice> Stream<T> choices(
      List<Hold> holds, Class<T> kind, Instant now) {
    return holds.stream()
        .filter(hold -> !isExpired(hold, now))
        .flatMap(hold -> NodeChoice.of(hold.getSpec()).stream())
        .filter(kind::isInstance)
        .map(kind::cast);
  }

  /// Those that an event made and that ended some time ago: nobody else takes them away.
  static List<Change> leftovers(List<Hold> holds, Instant now) {
    return holds.stream()
        .filter(Holds::isMadeByEvent)
        .filter(hold -> expiry(hold).map(it -> !now.isBefore(it.plus(KEPT))).orElse(false))
        .<Change>map(Change.Delete::new)
        .toList();
  }

  private static boolean isMadeByEvent(Hold hold) {
    return Optional.ofNullable(hold.getMetadata().getAnnotations())
        .filter(it -> it.containsKey(Made.SOURCE))
        .isPresent();
  }

  static List<Condition> conditions(Hold hold) {
    return Optional.ofNullable(hold.getStatus()).map(HoldStatus::conditions).orElse(List.of());
  }

  static boolean isExpired(Hold hold, Instant now) {
    return expiry(hold).map(it -> !now.isBefore(it)).orElse(false);
  }

  /// A time that cannot be read never comes: it holds on, because the safe side is closed.
  static Optional<Instant> expiry(Hold hold) {
    return Times.parse(hold.getSpec().expiresAt());
  }

  private static HoldReason reason(Hold hold) {
    String name = hold.getMetadata().getName();
    Optional<NodeChoice> nodes = NodeChoice.of(hold.getSpec());
    return new HoldReason(
        Reason.Hold,
        name,
        Objects.requireNonNullElse(hold.getMetadata().getUid(), name),
        "Hold %s%s: %s"
            .formatted(
                name, nodes.map(it -> " of " + it.describe()).orElse(""), hold.getSpec().reason()),
        Times.parse(hold.getMetadata().getCreationTimestamp()).orElse(null),
        expiry(hold).orElse(null),
        false,
        nodes.orElse(null));
  }
}
