package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Protect;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/// Budgets of others that select pods which ours select. The API server refuses every eviction of a
/// pod that two budgets select, so such a pod cannot be drained by anybody.
final class Overlaps {
  private Overlaps() {}

  static Optional<HoldReason> of(Snapshot seen) {
    List<String> names =
        seen.budgets().stream()
            .filter(budget -> !Made.isOurs(budget, seen.companion()))
            .filter(budget -> selectsOurPods(budget, seen))
            .map(budget -> budget.getMetadata().getName())
            .sorted()
            .toList();
    return names.isEmpty()
        ? Optional.empty()
        : Optional.of(
            new HoldReason(
                Reason.OverlappingBudget,
                String.join(",", names),
                (names.size() == 1
                        ? "PodDisruptionBudget %s selects the same pods as Chaperone's, and the API server refuses every eviction of a pod with two budgets: delete it or narrow its selector"
                        : "PodDisruptionBudgets %s select the same pods as Chaperone's, and the API server refuses every eviction of a pod with two budgets: delete them or narrow their selectors")
                    .formatted(String.join(", ", names))));
  }

  private static boolean selectsOurPods(PodDisruptionBudget budget, Snapshot seen) {
    Stream<Map<String, String>> guards =
        seen.protects(Protect.Nodes)
            ? Stream.of(
                withMarks(
                    GuardDeployment.labels(seen.companion(), seen.settings().guards()),
                    Made.REVISION_LABEL))
            : Stream.empty();
    Stream<Map<String, String>> followers =
        seen.protects(Protect.Pods)
            ? Stream.ofNullable(seen.follower())
                .map(
                    it ->
                        withMarks(
                            podLabels(it), "controller-revision-hash", "pod-template-generation"))
            : Stream.empty();
    return Stream.concat(guards, followers)
        .anyMatch(labels -> Selectors.matches(budget.getSpec().getSelector(), labels));
  }

  /// With what a controller adds to its pods; no selector asks for a value of these.
  private static Map<String, String> withMarks(Map<String, String> labels, String... marks) {
    Map<String, String> all = new HashMap<>(labels);
    Stream.of(marks).forEach(mark -> all.putIfAbsent(mark, "any"));
    return all;
  }

  private static Map<String, String> podLabels(DaemonSet daemonSet) {
    Map<String, String> labels = daemonSet.getSpec().getTemplate().getMetadata().getLabels();
    return labels == null ? Map.of() : labels;
  }
}
