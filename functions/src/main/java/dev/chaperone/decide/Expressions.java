package dev.chaperone.decide;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.chaperone.api.CompanionSpec.FailurePolicy;
import dev.chaperone.api.CompanionSpec.HoldExpression;
import dev.chaperone.api.CompanionStatus.GuardCount;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Which expressions of `holdWhen` hold.
///
/// @param failures expressions that could not be evaluated, and why
record Expressions(List<HoldReason> reasons, List<String> failures) {
  private static final ObjectMapper JSON = JsonMapper.builder().build();
  private static final TypeReference<Map<String, Object>> OBJECT = new TypeReference<>() {};

  static Expressions of(Snapshot seen, GuardCount guards) {
    if (seen.disruption().holdWhen().isEmpty()) {
      return new Expressions(List.of(), List.of());
    }
    Map<String, Object> values = new LinkedHashMap<>();
    Map<String, Observation> missing = new LinkedHashMap<>();
    put(values, missing, "target", seen.target(), "there is no target");
    put(values, missing, "follower", seen.follower(), "there is no follower");
    values.put(
        "guards",
        Map.of("desired", guards.desired(), "bound", guards.bound(), "running", guards.running()));
    values.put("now", seen.now());
    seen.observed()
        .forEach(
            (name, observation) -> {
              switch (observation) {
                case Observation.Seen it -> values.put(name, it.object());
                case Observation.Absent it -> missing.put(name, it);
                case Observation.Unreadable it -> missing.put(name, it);
              }
            });
    Set<String> names = new HashSet<>(values.keySet());
    names.addAll(missing.keySet());

    Expression.Language language = Expression.language(names);
    Effort.Time time = new Effort.Time();
    List<HoldReason> reasons = new ArrayList<>();
    List<String> failures = new ArrayList<>();
    for (HoldExpression it : seen.disruption().holdWhen()) {
      try {
        Expression expression = language.compile(it.expression());
        boolean unreadable = false;
        String absent = "";
        for (String used : expression.uses()) {
          switch (missing.get(used)) {
            case Observation.Absent(String message) -> absent = message;
            case Observation.Unreadable(String message) -> {
              absent = message;
              unreadable = true;
            }
            case null, default -> {}
          }
        }
        if (!absent.isEmpty()) {
          fail(seen, it, absent, unreadable, reasons, failures);
        } else if (expression.isTrue(values, time)) {
          reasons.add(
              new HoldReason(
                  Reason.ExpressionTrue, it.name(), describe(it, expression.read(values))));
        }
      } catch (Expression.Failed e) {
        fail(seen, it, String.valueOf(e.getMessage()), false, reasons, failures);
      }
    }
    return new Expressions(reasons, failures);
  }

  /// What an expression means that cannot be evaluated. Allowing is for what is known to be missing
  /// or wrong: what cannot be read may be just what blocks, so it ends no block.
  private static void fail(
      Snapshot seen,
      HoldExpression it,
      String why,
      boolean unreadable,
      List<HoldReason> reasons,
      List<String> failures) {
    String failure = "holdWhen " + it.name() + ": " + why;
    failures.add(failure);
    boolean holds =
        seen.disruption().failurePolicy() == FailurePolicy.Hold
            || (unreadable && blockedBefore(seen, it.name()));
    if (holds) {
      reasons.add(new HoldReason(Reason.ExpressionFailed, it.name(), failure));
    }
  }

  private static boolean blockedBefore(Snapshot seen, String name) {
    return Stream.ofNullable(seen.status().reasons())
        .flatMap(List::stream)
        .filter(reason -> !Boolean.TRUE.equals(reason.overdue()))
        .filter(
            reason ->
                reason.type().equals(Reason.ExpressionTrue.name())
                    || reason.type().equals(Reason.ExpressionFailed.name()))
        .anyMatch(reason -> reason.name().equals(name));
  }

  private static void put(
      Map<String, Object> values,
      Map<String, Observation> missing,
      String name,
      @Nullable DaemonSet daemonSet,
      String absent) {
    if (daemonSet == null) {
      missing.put(name, new Observation.Absent(absent));
    } else {
      values.put(name, JSON.convertValue(daemonSet, OBJECT));
    }
  }

  private static String describe(HoldExpression it, List<String> read) {
    String message =
        it.message() == null || it.message().isBlank() ? it.expression() : it.message();
    String values = read.isEmpty() ? "" : " [" + String.join(", ", read) + "]";
    return it.name() + ": " + message + values;
  }
}
