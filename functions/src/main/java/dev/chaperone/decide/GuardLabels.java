package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import io.fabric8.kubernetes.api.model.LabelSelector;
import io.fabric8.kubernetes.api.model.LabelSelectorBuilder;
import io.fabric8.kubernetes.api.model.LabelSelectorRequirement;
import io.fabric8.kubernetes.api.model.LabelSelectorRequirementBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Which of the budgets a guard is under, by its labels: always one and never two, because the API
/// server refuses every eviction of a pod that two budgets select.
final class GuardLabels {
  private static final LabelSelectorRequirement HELD = rule(Made.HELD_FOR, "Exists");
  private static final LabelSelectorRequirement NOT_HELD = rule(Made.HELD_FOR, "DoesNotExist");

  private GuardLabels() {}

  /// What [Made#HELD_FOR] of this guard is; absent: it is not under the budget of held nodes.
  static @Nullable String heldFor(Pod guard) {
    return label(guard, Made.HELD_FOR);
  }

  /// What [Made#UNHEALTHY] of this guard is; absent: it has none.
  static @Nullable String unhealthy(Pod guard) {
    return label(guard, Made.UNHEALTHY);
  }

  private static @Nullable String label(Pod guard, String key) {
    Map<String, String> labels = guard.getMetadata().getLabels();
    return labels == null ? null : labels.get(key);
  }

  /// Guards under the budget of all guards.
  ///
  /// @param splits whether there is a budget of unhealthy nodes
  static LabelSelector together(Companion companion, boolean splits) {
    List<LabelSelectorRequirement> rules = new ArrayList<>(List.of(NOT_HELD));
    if (splits) {
      rules.add(rule(Made.UNHEALTHY, "NotIn", Made.APART));
    }
    return selector(companion, rules);
  }

  /// Guards under the budget of held nodes.
  static LabelSelector held(Companion companion) {
    return selector(companion, List.of(HELD));
  }

  /// Guards under the budget of unhealthy nodes: none that is held, or a Hold of one node would not
  /// hold it.
  static LabelSelector unhealthy(Companion companion) {
    return selector(companion, List.of(NOT_HELD, rule(Made.UNHEALTHY, "In", Made.APART)));
  }

  private static LabelSelector selector(Companion companion, List<LabelSelectorRequirement> rules) {
    return new LabelSelectorBuilder()
        .withMatchLabels(Made.guardSelector(companion))
        .withMatchExpressions(rules)
        .build();
  }

  private static LabelSelectorRequirement rule(String key, String operator, String... values) {
    return new LabelSelectorRequirementBuilder()
        .withKey(key)
        .withOperator(operator)
        .withValues(values)
        .build();
  }
}
