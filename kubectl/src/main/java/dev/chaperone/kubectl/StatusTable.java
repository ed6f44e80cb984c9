package dev.chaperone.kubectl;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.UnguardedNode;
import dev.chaperone.decide.Ages;
import io.fabric8.kubernetes.api.model.Condition;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Companions, one in a line: whether disruptions are allowed, why, and which nodes are out.
final class StatusTable {
  private static final List<String> HEADER =
      List.of(
          "NAMESPACE",
          "NAME",
          "ALLOWED",
          "REASON",
          "SINCE",
          "GUARDS",
          "UNGUARDED",
          "DRAINED",
          "BLOCKED");
  private static final List<String> MORE = List.of("TARGET", "MAX-UNAVAILABLE", "MESSAGE");

  private StatusTable() {}

  static List<String> lines(List<Companion> companions, boolean wide, Instant now) {
    List<String> header = new ArrayList<>(HEADER);
    if (wide) {
      header.addAll(MORE);
    }
    Table table = new Table(header);
    companions.stream()
        .sorted(
            Comparator.comparing((Companion it) -> it.getMetadata().getNamespace())
                .thenComparing(it -> it.getMetadata().getName()))
        .forEach(companion -> table.add(row(companion, wide, now)));
    return table.lines();
  }

  private static List<String> row(Companion companion, boolean wide, Instant now) {
    CompanionStatus status = Facts.status(companion);
    Optional<Condition> allowed = Facts.allowed(status);
    List<String> row = new ArrayList<>();
    row.add(companion.getMetadata().getNamespace());
    row.add(companion.getMetadata().getName());
    row.add(allowed.map(Condition::getStatus).orElse(""));
    row.add(allowed.map(Condition::getReason).orElse("NotReported"));
    row.add(allowed.map(it -> Ages.since(it.getLastTransitionTime(), now)).orElse(""));
    row.add(
        Optional.ofNullable(status.guards())
            .map(it -> it.running() + "/" + it.desired())
            .orElse(""));
    row.add(names(orEmpty(status.unguardedNodes()).stream().map(UnguardedNode::name).toList()));
    row.add(names(Facts.drainedNodes(companion)));
    row.add(names(orEmpty(status.blockedNodes())));
    if (wide) {
      row.add(target(companion));
      row.add(
          companion.getSpec() == null
              ? ""
              : String.valueOf(companion.getSpec().disruption().maxUnavailable().getValue()));
      row.add(allowed.map(Condition::getMessage).orElse(""));
    }
    return row;
  }

  private static String target(Companion companion) {
    return Optional.ofNullable(companion.getSpec()).map(it -> it.targetRef().name()).orElse("");
  }

  private static String names(List<String> nodes) {
    return String.join(",", nodes);
  }

  private static <T> List<T> orEmpty(@Nullable List<T> list) {
    return list == null ? List.of() : list;
  }
}
