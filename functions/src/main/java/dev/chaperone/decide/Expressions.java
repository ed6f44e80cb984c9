package dev.chaperone.decide;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.chaperone.api.CompanionSpec.FailurePolicy;
import dev.chaperone.api.CompanionSpec.HoldCondition;
import dev.chaperone.api.CompanionStatus.GuardCount;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
    Map<String, String> missing = new LinkedHashMap<>();
    put(values, missing, "target", seen.target(), "there is no target");
    put(values, missing, "companion", seen.follower(), "there is no companion DaemonSet");
    values.put("guards", Map.of("desired", guards.desired(), "bound", guards.bound()));
    values.put("now", seen.now());
    seen.observed()
        .forEach(
            (name, observation) -> {
              switch (observation) {
                case Observation.Seen it -> values.put(name, it.object());
                case Observation.Unseen it -> missing.put(name, it.message());
              }
            });
    Set<String> names = new HashSet<>(values.keySet());
    names.addAll(missing.keySet());

    Expression.Language language = Expression.language(names);
    List<HoldReason> reasons = new ArrayList<>();
    List<String> failures = new ArrayList<>();
    for (HoldCondition condition : seen.disruption().holdWhen()) {
      try {
        Expression expression = language.compile(condition.expression());
        for (String used : expression.uses()) {
          if (missing.containsKey(used)) {
            throw new Expression.Failed(missing.get(used));
          }
        }
        if (expression.isTrue(values)) {
          reasons.add(
              new HoldReason(
                  "Condition", condition.name(), describe(condition, expression.read(values))));
        }
      } catch (Expression.Failed e) {
        String failure = "holdWhen " + condition.name() + ": " + e.getMessage();
        failures.add(failure);
        if (seen.disruption().failurePolicy() == FailurePolicy.Hold) {
          reasons.add(new HoldReason("ConditionFailed", condition.name(), failure));
        }
      }
    }
    return new Expressions(reasons, failures);
  }

  private static void put(
      Map<String, Object> values,
      Map<String, String> missing,
      String name,
      @Nullable DaemonSet daemonSet,
      String absent) {
    if (daemonSet == null) {
      missing.put(name, absent);
    } else {
      values.put(name, JSON.convertValue(daemonSet, OBJECT));
    }
  }

  private static String describe(HoldCondition condition, List<String> read) {
    String message =
        condition.message() == null || condition.message().isBlank()
            ? condition.expression()
            : condition.message();
    String values = read.isEmpty() ? "" : " [" + String.join(", ", read) + "]";
    return condition.name() + ": " + message + values;
  }
}
