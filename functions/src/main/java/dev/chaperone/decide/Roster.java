package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.ContainerState;
import io.fabric8.kubernetes.api.model.ContainerStateWaiting;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The nodes, and the target's pods and the guards on them.
///
/// @param complete whether it covers every node; if not, it covers the cordoned ones, those that
///     are said to be gone, and those that may be without a guard, as far as somebody names them
/// @param nodes those of them that exist, by name
/// @param targetPods with and without a node
/// @param guards guards by their controller
/// @param lookAlikes pods with the labels of guards that are none; empty unless complete
public record Roster(
    boolean complete,
    Map<String, Node> nodes,
    List<Pod> targetPods,
    List<Pod> guards,
    List<Pod> lookAlikes) {

  /// Nothing is known.
  public static final Roster NONE = new Roster(false, Map.of(), List.of(), List.of(), List.of());

  /// A target that is replaced is away for seconds, and a mistyped name is soon corrected.
  static final Duration TARGET_GRACE = Duration.ofMinutes(5);

  private static final String PENDING = "Pending";
  private static final Set<String> ENDED = Set.of("Failed", "Succeeded");

  /// What there is to see of the cordoned nodes and of those with these names.
  public Roster ofCordonedAnd(Set<String> named) {
    Set<String> few = new HashSet<>(named);
    cordoned().forEach(node -> few.add(node.getMetadata().getName()));
    return new Roster(
        false,
        nodes.entrySet().stream()
            .filter(it -> few.contains(it.getKey()))
            .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)),
        on(few, targetPods),
        on(few, guards),
        List.of());
  }

  private static List<Pod> on(Set<String> nodes, List<Pod> pods) {
    return pods.stream().filter(pod -> nodes.contains(nodeOf(pod))).toList();
  }

  /// Cordoned nodes, by name, sorted.
  List<Node> cordoned() {
    return nodes.values().stream()
        .filter(Roster::isCordoned)
        .sorted(Comparator.comparing(node -> node.getMetadata().getName()))
        .toList();
  }

  Optional<Node> node(@Nullable String name) {
    return Optional.ofNullable(name).map(nodes::get);
  }

  /// Nodes with a guard, whether it runs yet or not.
  Set<String> guardedNodes() {
    return nodesOf(livingGuards());
  }

  /// Nodes with a guard that a budget protects: the eviction API asks no budget for a pod that does
  /// not run.
  Set<String> runningGuardNodes() {
    return nodesOf(livingGuards().stream().filter(Roster::isRunning).toList());
  }

  /// Nodes with a running guard that is not ready, sorted.
  Set<String> unreadyGuardNodes() {
    return new TreeSet<>(
        nodesOf(livingGuards().stream().filter(it -> isRunning(it) && !isReady(it)).toList()));
  }

  /// Existing nodes that run the target. Where a pod has not started yet, or is being replaced, a
  /// guard beside it shows that one ran before.
  Set<String> targetNodes() {
    Set<String> guarded = guardedNodes();
    return existing(
        targetPods.stream()
            .filter(
                pod -> (isRunning(pod) && !isTerminating(pod)) || guarded.contains(nodeOf(pod))));
  }

  /// Existing nodes with a target pod of which none is ready. One that is being replaced, or ended,
  /// is as good as missing.
  Set<String> unreadyTargetNodes() {
    List<Pod> pods =
        targetPods.stream().filter(pod -> !isTerminating(pod) && !isEnded(pod)).toList();
    Set<String> nodes = existing(pods.stream());
    nodes.removeAll(nodesOf(pods.stream().filter(Roster::isReady).toList()));
    return nodes;
  }

  /// Existing nodes that run the target, or have a guard.
  Set<String> guardable() {
    Set<String> nodes = targetNodes();
    nodes.addAll(existing(livingGuards().stream()));
    return nodes;
  }

  /// Nodes that run the target and have no guard at all.
  Set<String> unguardedNodes() {
    Set<String> nodes = targetNodes();
    nodes.removeAll(guardedNodes());
    return nodes;
  }

  /// Nodes that have a target pod, whether it runs yet or not, and no guard at all.
  Set<String> nodesWithoutGuard() {
    Set<String> nodes = existing(targetPods.stream().filter(pod -> !isTerminating(pod)));
    nodes.removeAll(guardedNodes());
    return nodes;
  }

  static String revision(Pod guard) {
    Map<String, String> labels = guard.getMetadata().getLabels();
    return labels == null ? "" : labels.getOrDefault(Made.REVISION_LABEL, "");
  }

  /// Whether one ReplicaSet has all guards, those that wait for a node included.
  boolean areOfOneTemplate() {
    return guards.stream()
            .filter(pod -> !isEnded(pod) && !isTerminating(pod))
            .map(Roster::revision)
            .distinct()
            .count()
        <= 1;
  }

  /// Guards that ended: a kubelet refused them, or its node shut down.
  List<Pod> ended() {
    return guards.stream().filter(Roster::isEnded).toList();
  }

  /// Of these, those that say nothing any more: their node is gone, or ready for another.
  List<Pod> endedForGood() {
    return ended().stream()
        .filter(pod -> node(nodeOf(pod)).filter(Taints::isNotReady).isEmpty())
        .toList();
  }

  /// Existing nodes that have lost their guard and the target's pod without a drain: they shut
  /// down, and come back. The DaemonSet controller counts none of them while they are not ready.
  Set<String> shutDown() {
    Set<String> nodes = existing(ended().stream());
    nodes.removeAll(guardedNodes());
    nodes.removeAll(nodesOf(targetPods.stream().filter(pod -> !isTerminating(pod)).toList()));
    return nodes;
  }

  /// The same with a node, by its name.
  Map<String, Pod> endedByNode() {
    return ended().stream()
        .filter(pod -> nodeOf(pod) != null)
        .collect(Collectors.toMap(Roster::nodeOf, pod -> pod, (one, _) -> one));
  }

  /// Guards of nodes that no longer exist. Kubernetes itself clears those away up to a minute
  /// later.
  List<Pod> vanished() {
    return livingGuards().stream().filter(pod -> !nodes.containsKey(nodeOf(pod))).toList();
  }

  /// Guards beside an older guard of the same node.
  List<Pod> doubled() {
    Set<String> seen = new HashSet<>();
    return livingGuards().stream()
        .sorted(Comparator.comparing(pod -> pod.getMetadata().getCreationTimestamp()))
        .filter(pod -> !seen.add(nodeOf(pod)))
        .toList();
  }

  /// Guards of nodes that have no target pod of any kind.
  List<Pod> idle() {
    Set<String> running = nodesOf(targetPods);
    return livingGuards().stream().filter(pod -> !running.contains(nodeOf(pod))).toList();
  }

  /// How many existing nodes have a target pod that stays: neither one on its way to a node, which
  /// nobody knows, nor one that goes.
  int nodesWithTargetPod() {
    return existing(targetPods.stream().filter(pod -> !isTerminating(pod))).size();
  }

  /// How many existing nodes run the target, or are out for no longer than that.
  int nodesWithTargetSince(Instant then) {
    Set<String> nodes = targetNodes();
    nodes.addAll(nodesOutSince(then));
    return nodes.size();
  }

  /// Existing nodes that do not run the target, and have had a pod of it to start for no longer
  /// than that: one that is being replaced comes back. So does a node whose kubelet is short of
  /// something, and ends each of them, and one that shut down.
  Set<String> nodesOutSince(Instant then) {
    Set<String> nodes =
        existing(
            targetPods.stream()
                .filter(pod -> !isRunning(pod) && !isTerminating(pod))
                .filter(
                    pod ->
                        Times.parse(pod.getMetadata().getCreationTimestamp())
                            .filter(then::isBefore)
                            .isPresent()));
    nodes.addAll(shutDown());
    nodes.removeAll(targetNodes());
    return nodes;
  }

  /// How many guards have a node and have not ended.
  int boundGuards() {
    return livingGuards().size();
  }

  static boolean isCordoned(Node node) {
    return node.getSpec() != null && Boolean.TRUE.equals(node.getSpec().getUnschedulable());
  }

  /// Guards that have a node and have not ended.
  List<Pod> livingGuards() {
    return guards.stream()
        .filter(pod -> pod.getSpec().getNodeName() != null && !isTerminating(pod) && !isEnded(pod))
        .toList();
  }

  /// A pod can outlive its node for a minute.
  private Set<String> existing(Stream<Pod> pods) {
    return pods.map(Roster::nodeOf)
        .filter(Objects::nonNull)
        .filter(nodes::containsKey)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static Set<String> nodesOf(Collection<Pod> pods) {
    return pods.stream().map(Roster::nodeOf).filter(Objects::nonNull).collect(Collectors.toSet());
  }

  static String nodeOf(Pod pod) {
    return pod.getSpec().getNodeName();
  }

  static boolean isTerminating(Pod pod) {
    return pod.getMetadata().getDeletionTimestamp() != null;
  }

  static boolean isEnded(Pod pod) {
    return ENDED.contains(phase(pod));
  }

  static boolean isRunning(Pod pod) {
    String phase = phase(pod);
    return !phase.equals(PENDING) && !phase.isEmpty() && !ENDED.contains(phase);
  }

  static boolean isReady(Pod pod) {
    return status(pod).stream()
        .flatMap(status -> status.getConditions().stream())
        .anyMatch(it -> "Ready".equals(it.getType()) && "True".equals(it.getStatus()));
  }

  /// Why it does not run, in the kubelet's words; empty if those are not known.
  static String why(Pod pod) {
    Stream<String> containers =
        status(pod).stream()
            .flatMap(status -> status.getContainerStatuses().stream())
            .map(ContainerStatus::getState)
            .filter(Objects::nonNull)
            .map(ContainerState::getWaiting)
            .filter(Objects::nonNull)
            .map(waiting -> words(waiting));
    Stream<String> itself =
        status(pod).stream()
            .map(
                status ->
                    status.getMessage() == null
                        ? Objects.requireNonNullElse(status.getReason(), "")
                        : status.getMessage());
    return Stream.concat(containers, itself).filter(it -> !it.isBlank()).findFirst().orElse("");
  }

  private static String words(ContainerStateWaiting waiting) {
    return waiting.getMessage() == null
        ? Objects.requireNonNullElse(waiting.getReason(), "")
        : waiting.getReason() + ": " + waiting.getMessage();
  }

  private static Optional<PodStatus> status(Pod pod) {
    return Optional.ofNullable(pod.getStatus());
  }

  private static String phase(Pod pod) {
    return status(pod).map(PodStatus::getPhase).orElse("");
  }
}
