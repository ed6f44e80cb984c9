package dev.chaperone.kubectl;

import dev.chaperone.kubectl.Blocker.Because;
import io.fabric8.kubernetes.api.model.Pod;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/// What a drain of one node meets now: each pod by itself, as if it were evicted first.
///
/// @param pods everything that the drain has to evict
/// @param blockers who refuses, each once; empty: nothing blocks
/// @param gaps what should block the drain as well and does not
/// @param maintainers who else is at work on the node
record DrainReport(
    String node,
    boolean blocked,
    List<PodReport> pods,
    List<Block> blockers,
    List<Gap> gaps,
    List<Maintainer> maintainers) {
  private static final int MAX_NAMED = 5;
  private static final List<String> HEADER = List.of("NAMESPACE", "POD", "EVICTION", "BLOCKED BY");

  /// @param blockedBy names what refuses; empty: nothing does
  record PodReport(String namespace, String name, boolean evictable, String blockedBy) {}

  /// @param pods whose eviction it refuses, as `namespace/name`
  record Block(Blocker blocker, List<String> pods) {}

  /// @param owner such as `Companion storage/storage-agent`
  record Gap(String owner, Because because) {}

  static DrainReport of(
      String node, Map<Pod, Answer> answers, Facts facts, List<Maintainer> maintainers) {
    Map<Blocker, List<String>> blockers = new LinkedHashMap<>();
    List<PodReport> pods = new ArrayList<>();
    answers.forEach(
        (pod, answer) -> {
          String blockedBy =
              switch (answer) {
                case Answer.Accepted _ -> "";
                case Answer.Refused refused -> {
                  Blocker blocker = facts.explain(pod, refused);
                  blockers
                      .computeIfAbsent(blocker, _ -> new ArrayList<>())
                      .add(DrainedPods.name(pod));
                  yield blocker.object();
                }
              };
          pods.add(
              new PodReport(
                  pod.getMetadata().getNamespace(),
                  pod.getMetadata().getName(),
                  blockedBy.isEmpty(),
                  blockedBy));
        });
    return new DrainReport(
        node,
        !blockers.isEmpty(),
        pods,
        blockers.entrySet().stream().map(it -> new Block(it.getKey(), it.getValue())).toList(),
        facts.gaps(node, evictable(answers)).entrySet().stream()
            .map(it -> new Gap(it.getKey(), it.getValue()))
            .toList(),
        maintainers);
  }

  private static List<Pod> evictable(Map<Pod, Answer> answers) {
    return answers.entrySet().stream()
        .filter(it -> it.getValue() instanceof Answer.Accepted)
        .map(Map.Entry::getKey)
        .toList();
  }

  /// For people: the pods, who blocks, and what it comes to.
  List<String> lines() {
    List<String> lines = new ArrayList<>();
    if (!pods.isEmpty()) {
      Table table = new Table(HEADER);
      pods.forEach(
          pod ->
              table.add(
                  List.of(
                      pod.namespace(),
                      pod.name(),
                      pod.evictable() ? "allowed" : "blocked",
                      pod.blockedBy())));
      lines.addAll(table.lines());
      lines.add("");
    }
    for (Block block : blockers) {
      lines.add(
          "%s %s %s"
              .formatted(
                  block.blocker().brief(),
                  block.blocker().kind() == Blocker.Kind.OverlappingBudgets ? "block" : "blocks",
                  names(block.pods())));
      block.blocker().reasons().forEach(it -> lines.addAll(lines(it)));
      lines.add("");
    }
    for (Gap gap : gaps) {
      lines.add("%s should block it, and does not".formatted(gap.owner()));
      lines.addAll(lines(gap.because()));
      lines.add("");
    }
    if (!maintainers.isEmpty()) {
      maintainers.forEach(it -> lines.add(it.words()));
      lines.add("");
    }
    lines.add(verdict());
    return lines;
  }

  private static List<String> lines(Because because) {
    String words =
        "  " + (because.reason() == null ? "" : because.reason() + ": ") + because.words();
    return because.advice() == null ? List.of(words) : List.of(words, "    " + because.advice());
  }

  /// The table has all of them.
  private static String names(List<String> pods) {
    String named = pods.stream().limit(MAX_NAMED).collect(Collectors.joining(", "));
    return pods.size() > MAX_NAMED ? named + " and " + (pods.size() - MAX_NAMED) + " more" : named;
  }

  private String verdict() {
    if (pods.isEmpty()) {
      return "Nothing blocks a drain of node %s: it has no pod to evict.".formatted(node);
    }
    if (!blocked) {
      return "Nothing blocks a drain of node %s: the API server accepts each of its evictions (%d)."
          .formatted(node, pods.size());
    }
    long refused = pods.stream().filter(it -> !it.evictable()).count();
    return "A drain of node %s is blocked by %s (evictions refused: %d of %d)."
        .formatted(
            node,
            blockers.stream().map(it -> it.blocker().object()).collect(Collectors.joining(", ")),
            refused,
            pods.size());
  }
}
