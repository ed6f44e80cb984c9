package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.ConditionBuilder;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeCondition;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Status conditions as Kubernetes has them: the transition time moves only when the status does.
public final class Conditions {
  private static final int MAX_MESSAGE = 2048;

  private Conditions() {}

  record Named(String type, Finding finding) {}

  static List<Condition> next(
      List<Condition> before, List<Named> findings, @Nullable Long generation, Instant now) {
    return findings.stream()
        .map(
            named -> {
              Finding finding = named.finding();
              String status = finding.status().name();
              String since =
                  find(before, named.type())
                      .filter(old -> Objects.equals(old.getStatus(), status))
                      .map(Condition::getLastTransitionTime)
                      .filter(time -> Times.parse(time).isPresent())
                      .orElseGet(() -> now.truncatedTo(ChronoUnit.SECONDS).toString());
              return new ConditionBuilder()
                  .withType(named.type())
                  .withStatus(status)
                  .withReason(finding.reason().name())
                  .withMessage(cut(finding.message()))
                  .withLastTransitionTime(since)
                  .withObservedGeneration(generation)
                  .build();
            })
        .toList();
  }

  /// As much of a text as the message of a condition may have: a status has to fit into one object.
  public static String cut(String message) {
    return message.length() <= MAX_MESSAGE ? message : message.substring(0, MAX_MESSAGE - 1) + "…";
  }

  /// The condition of this type on a node; empty: it has none.
  static Optional<NodeCondition> find(Node node, String type) {
    return Stream.ofNullable(node.getStatus())
        .flatMap(it -> Stream.ofNullable(it.getConditions()))
        .flatMap(List::stream)
        .filter(it -> type.equals(it.getType()))
        .findFirst();
  }

  /// The condition of this type; empty: there is none.
  public static Optional<Condition> find(List<Condition> conditions, String type) {
    return conditions.stream().filter(c -> type.equals(c.getType())).findFirst();
  }
}
