package dev.chaperone.kubectl;

import dev.chaperone.decide.CompanionRef;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/// What drains of some nodes would meet if they were started now, one after the other in the order
/// given. What an eviction takes from a budget is counted for those after it; a pod that is evicted
/// is taken not to be back.
///
/// @param nodes in the order given
/// @param companions those whose nodes are drained
/// @param maintainers who else is at work on these nodes
record Preview(List<NodePreview> nodes, List<Room> companions, List<Maintainer> maintainers) {
  private static final List<String> HEADER =
      List.of("NODE", "NAMESPACE", "POD", "EVICTION", "WAITS FOR");

  /// @param waits whether the drain would wait
  record NodePreview(String node, boolean waits, List<PodPreview> pods) {}

  /// @param waitsFor empty: it goes at once
  record PodPreview(String namespace, String name, String waitsFor) {}

  /// How many nodes a Companion lets go.
  ///
  /// @param drainedNodes those that are out before the first drain
  /// @param words what it says of disruptions
  record Room(String companion, String maxUnavailable, List<String> drainedNodes, String words) {}

  /// @param drains by node, in order, what a drain has to evict and what the API server answers now
  static Preview of(
      Map<String, Map<Pod, Answer>> drains, Facts facts, List<Maintainer> maintainers) {
    Map<String, List<String>> taken = new HashMap<>();
    List<NodePreview> nodes = new ArrayList<>();
    TreeSet<CompanionRef> companions = new TreeSet<>();
    drains.forEach(
        (node, answers) -> {
          List<PodPreview> pods = new ArrayList<>();
          answers.forEach(
              (pod, answer) -> {
                facts
                    .budgetsOf(pod)
                    .forEach(it -> Facts.companionOf(it).ifPresent(companions::add));
                pods.add(
                    new PodPreview(
                        pod.getMetadata().getNamespace(),
                        pod.getMetadata().getName(),
                        waitsFor(node, pod, answer, facts, taken)));
              });
          nodes.add(
              new NodePreview(node, pods.stream().anyMatch(it -> !it.waitsFor().isEmpty()), pods));
        });
    return new Preview(
        nodes, companions.stream().flatMap(it -> room(it, facts).stream()).toList(), maintainers);
  }

  private static String waitsFor(
      String node, Pod pod, Answer answer, Facts facts, Map<String, List<String>> taken) {
    return switch (answer) {
      case Answer.Refused refused -> {
        Blocker blocker = facts.explain(pod, refused);
        yield blocker.brief() + ": " + blocker.reasons().getFirst().words();
      }
      case Answer.Accepted _ ->
          facts.budgetsOf(pod).stream()
              .filter(_ -> DrainedPods.isReady(pod))
              .findFirst()
              .map(budget -> takeFrom(budget, node, taken))
              .orElse("");
    };
  }

  private static String takeFrom(
      PodDisruptionBudget budget, String node, Map<String, List<String>> taken) {
    List<String> before = taken.computeIfAbsent(Facts.name(budget), _ -> new ArrayList<>());
    if (before.size() < Facts.allowed(budget)) {
      before.add(node);
      return "";
    }
    TreeSet<String> others = new TreeSet<>(before);
    boolean isOne = others.size() == 1;
    String nodes = (isOne ? "node " : "nodes ") + String.join(", ", others);
    return Facts.companionOf(budget)
        .map(
            companion ->
                "PodDisruptionBudget %s (Companion %s): %s, until %s is uncordoned or deleted"
                    .formatted(Facts.name(budget), companion, nodes, isOne ? "it" : "one of them"))
        .orElseGet(
            () ->
                "PodDisruptionBudget %s (%s): what is evicted from %s, until it is ready elsewhere"
                    .formatted(Facts.name(budget), Facts.owner(budget), nodes));
  }

  private static Optional<Room> room(CompanionRef ref, Facts facts) {
    return Optional.ofNullable(facts.companions().get(ref))
        .filter(it -> it.getSpec() != null)
        .map(
            companion ->
                new Room(
                    ref.toString(),
                    String.valueOf(companion.getSpec().disruption().maxUnavailable().getValue()),
                    Facts.drainedNodes(companion),
                    Facts.allowed(Facts.status(companion)).map(it -> it.getMessage()).orElse("")));
  }

  /// For people.
  List<String> lines() {
    List<String> lines = new ArrayList<>();
    Table table = new Table(HEADER);
    for (NodePreview node : nodes) {
      for (PodPreview pod : node.pods()) {
        table.add(
            List.of(
                node.node(),
                pod.namespace(),
                pod.name(),
                pod.waitsFor().isEmpty() ? "goes" : "waits",
                pod.waitsFor()));
      }
    }
    if (nodes.stream().anyMatch(it -> !it.pods().isEmpty())) {
      lines.addAll(table.lines());
      lines.add("");
    }
    for (Room room : companions) {
      lines.add(
          "Companion %s: maxUnavailable %s, drained now: %s. %s"
              .formatted(
                  room.companion(),
                  room.maxUnavailable(),
                  room.drainedNodes().isEmpty() ? "none" : String.join(", ", room.drainedNodes()),
                  room.words()));
    }
    maintainers.forEach(it -> lines.add(it.words()));
    for (NodePreview node : nodes) {
      long waiting = node.pods().stream().filter(it -> !it.waitsFor().isEmpty()).count();
      lines.add(
          node.waits()
              ? "A drain of node %s waits (pods that cannot go yet: %d of %d)."
                  .formatted(node.node(), waiting, node.pods().size())
              : "A drain of node %s goes through at once (pods to evict: %d)."
                  .formatted(node.node(), node.pods().size()));
    }
    return lines;
  }
}
