package dev.chaperone.kubectl;

import dev.chaperone.api.Hold;
import dev.chaperone.api.HoldSpec;
import dev.chaperone.api.HoldStatus;
import dev.chaperone.decide.Ages;
import dev.chaperone.decide.NodeChoice;
import dev.chaperone.decide.Times;
import io.fabric8.kubernetes.api.model.Condition;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// Holds, one in a line: whom they hold, why, how old they are, and when they end.
final class HoldsTable {
  private static final List<String> HEADER =
      List.of("NAMESPACE", "NAME", "COMPANION", "ACTIVE", "ENFORCED", "AGE", "REMAINING", "REASON");
  private static final List<String> MORE = List.of("NODES", "EXPIRES", "MESSAGE");
  static final String ENFORCED = "Enforced";

  private HoldsTable() {}

  static List<String> lines(List<Hold> holds, boolean wide, Instant now) {
    List<String> header = new ArrayList<>(HEADER);
    if (wide) {
      header.addAll(MORE);
    }
    Table table = new Table(header);
    holds.stream()
        .filter(it -> it.getSpec() != null)
        .sorted(
            Comparator.comparing((Hold it) -> it.getMetadata().getNamespace())
                .thenComparing(it -> it.getMetadata().getName()))
        .forEach(hold -> table.add(row(hold, wide, now)));
    return table.lines();
  }

  private static List<String> row(Hold hold, boolean wide, Instant now) {
    HoldSpec spec = hold.getSpec();
    List<String> row = new ArrayList<>();
    row.add(hold.getMetadata().getNamespace());
    row.add(hold.getMetadata().getName());
    row.add(spec.companionRef().name());
    row.add(condition(hold, "Active").map(Condition::getStatus).orElse(""));
    row.add(condition(hold, ENFORCED).map(Condition::getStatus).orElse(""));
    row.add(Ages.since(hold.getMetadata().getCreationTimestamp(), now));
    row.add(remaining(spec, now));
    row.add(spec.reason());
    if (wide) {
      row.add(NodeChoice.of(spec).map(NodeChoice::words).orElse(""));
      row.add(spec.expiresAt() == null ? "" : spec.expiresAt());
      row.add(condition(hold, ENFORCED).map(Condition::getMessage).orElse(""));
    }
    return row;
  }

  private static String remaining(HoldSpec spec, Instant now) {
    return Times.parse(spec.expiresAt())
        .map(end -> now.isBefore(end) ? Ages.human(Duration.between(now, end)) : "expired")
        .orElse("until deleted");
  }

  static Optional<Condition> condition(Hold hold, String type) {
    return Stream.ofNullable(hold.getStatus())
        .map(HoldStatus::conditions)
        .flatMap(Stream::ofNullable)
        .flatMap(List::stream)
        .filter(it -> type.equals(it.getType()))
        .findFirst();
  }
}
