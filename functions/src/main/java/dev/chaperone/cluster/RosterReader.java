package dev.chaperone.cluster;

import static dev.chaperone.cluster.ClusterReader.read;

import dev.chaperone.cluster.Slim.SlimNode;
import dev.chaperone.cluster.Slim.SlimPod;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Made;
import dev.chaperone.decide.NodeChoice;
import dev.chaperone.decide.Roster;
import io.fabric8.kubernetes.api.model.KubernetesResourceList;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.FilterWatchListDeletable;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Reads which guards do not run, and who is on the cordoned nodes, on those that are named, such
/// as those that are said to be gone, or new, and on those that Holds block by their labels. As
/// much of it as can be is on its way as soon as there is a reader.
final class RosterReader {
  static final int FEW = ClusterReader.FEW_NODES;

  private final KubernetesClient client;
  private final CompanionRef ref;
  private final String targetNamespace;
  private final Set<String> named;
  private final Room.Place everyNode;
  private final Deadline deadline;
  private final Parallel parallel;
  private final Parallel.Result<Listing<Pod>> notRunning;
  private final Set<NodeChoice.Labeled> selectors;
  private final Set<String> labels;
  private final List<Parallel.Result<List<Node>>> nodes = new ArrayList<>();
  private final Set<String> asked = new HashSet<>();
  private final List<Parallel.Result<List<Pod>>> pods = new ArrayList<>();

  RosterReader(
      KubernetesClient client,
      CompanionRef ref,
      String targetNamespace,
      Set<String> named,
      Set<NodeChoice.Labeled> selectors,
      Room.Place everyNode,
      Deadline deadline,
      Parallel parallel) {
    this.client = client;
    this.ref = ref;
    this.targetNamespace = targetNamespace;
    this.named = named;
    this.everyNode = everyNode;
    this.deadline = deadline;
    this.parallel = parallel;
    this.notRunning = parallel.run(this::guardsNotRunning);
    this.selectors = selectors;
    this.labels = NodeChoice.keys(selectors);
    nodes.add(parallel.run(() -> nodes(client, "spec.unschedulable", "true", labels)));
    if (selectors.size() <= FEW) {
      selectors.forEach(it -> nodes.add(parallel.run(() -> nodes(client, it, labels))));
    }
    if (named.size() <= FEW) {
      named.forEach(node -> askForPodsOn(node, null));
    }
  }

  /// Guards in any phase but Running: those that wait for a node, those that start on one, and
  /// those that ended.
  List<Pod> notRunning() {
    return parallel.result(notRunning).items().stream()
        .filter(pod -> Made.isGuard(pod, ref))
        .toList();
  }

  /// Who is on the few nodes.
  ///
  /// @param target absent: guards may be there without it
  /// @throws LostRace as [#all], where they are too many
  Roster few(@Nullable DaemonSet target) throws LostRace {
    return few(target, Set.of());
  }

  /// The same, and who is on some more of them, none of which has to exist.
  Roster few(@Nullable DaemonSet target, Set<String> more) throws LostRace {
    Map<String, Node> known = new TreeMap<>();
    nodes.stream()
        .flatMap(it -> parallel.result(it).stream())
        .forEach(node -> known.put(node.getMetadata().getName(), node));
    Set<String> few = new TreeSet<>(named);
    few.addAll(known.keySet());
    few.addAll(more);
    if (few.size() > FEW || selectors.size() > FEW) {
      Roster all = all(target);
      selectors.forEach(it -> few.addAll(it.in(all)));
      return target == null ? all.ofCordonedAnd(few) : all;
    }
    few.forEach(node -> askForPodsOn(node, asOfGuards()));
    List<Pod> running = pods.stream().flatMap(it -> parallel.result(it).stream()).toList();
    List<Pod> guards = running.stream().filter(pod -> Made.isGuard(pod, ref)).toList();
    // After the guards: one whose node is not there has lost it.
    Stream.concat(guards.stream().map(guard -> guard.getSpec().getNodeName()), more.stream())
        .distinct()
        .filter(node -> !known.containsKey(node))
        .map(node -> parallel.run(() -> nodes(client, "metadata.name", node, labels)))
        .toList()
        .forEach(
            found ->
                parallel
                    .result(found)
                    .forEach(node -> known.put(node.getMetadata().getName(), node)));
    return new Roster(
        false, known, running.stream().filter(of(target)).toList(), guards, List.of());
  }

  /// Nodes on which the target has not started yet; of more than few, only so many that this is
  /// seen.
  Set<String> nodesThatStart(DaemonSet target) {
    return read(
        "pods of DaemonSet " + target.getMetadata().getName(),
        () ->
            client
                .resources(SlimPod.class)
                .inNamespace(targetNamespace)
                .withLabelSelector(target.getSpec().getSelector())
                .withoutField("status.phase", "Running")
                .list(Listing.atMost(FEW + 1))
                .getItems()
                .stream()
                .map(new Slim()::pod)
                .map(pod -> pod.getSpec().getNodeName())
                .filter(Objects::nonNull)
                .collect(Collectors.toSet()));
  }

  /// Who is on every node.
  ///
  /// @throws LostRace when others had every node meanwhile, and what was read before is too old
  Roster all(@Nullable DaemonSet target) throws LostRace {
    if (everyNode.take(deadline, "reading every node for Companion " + ref)) {
      throw new LostRace("Others had every node in memory before Companion " + ref);
    }
    var targetPods = parallel.run(() -> target == null ? List.<Pod>of() : podsOf(target));
    List<Pod> labelled = labelledGuards();
    // After the guards: one whose node is not in this list has lost it.
    List<Node> everyNode = nodes(client, labels);
    return new Roster(
        true,
        everyNode.stream()
            .collect(Collectors.toMap(node -> node.getMetadata().getName(), Function.identity())),
        parallel.result(targetPods).stream().filter(of(target)).toList(),
        labelled.stream().filter(pod -> Made.isGuard(pod, ref)).toList(),
        labelled.stream().filter(pod -> !Made.isGuard(pod, ref)).toList());
  }

  /// New enough for any list of pods: it shows the cluster after the budgets were read.
  private String asOfGuards() {
    return parallel.result(notRunning).resourceVersion();
  }

  private List<Pod> podsOf(DaemonSet target) {
    return read(
            "pods of DaemonSet " + target.getMetadata().getName(),
            () ->
                Listing.of(
                    client
                        .resources(SlimPod.class)
                        .inNamespace(targetNamespace)
                        .withLabelSelector(target.getSpec().getSelector()),
                    asOfGuards(),
                    new Slim()::pod))
        .items();
  }

  private static Predicate<Pod> of(@Nullable DaemonSet target) {
    return pod ->
        target != null
            && pod.getMetadata().getOwnerReferences().stream()
                .anyMatch(it -> Objects.equals(it.getUid(), target.getMetadata().getUid()));
  }

  private Listing<Pod> guardsNotRunning() {
    return read(
        "guards of Companion " + ref,
        () -> Listing.of(guards().withoutField("status.phase", "Running"), null, new Slim()::pod));
  }

  private List<Pod> labelledGuards() {
    return read(
            "guards of Companion " + ref, () -> Listing.of(guards(), asOfGuards(), new Slim()::pod))
        .items();
  }

  private FilterWatchListDeletable<SlimPod, KubernetesResourceList<SlimPod>, ?> guards() {
    return client
        .resources(SlimPod.class)
        .inNamespace(ref.namespace())
        .withLabels(Made.guardLabels(ref.name()));
  }

  /// Whatever their labels: guards and target pods come with one read where they are in one
  /// namespace, and no read has to wait until the target's labels are known.
  private void askForPodsOn(String node, @Nullable String atLeast) {
    if (asked.add(node)) {
      Stream.of(ref.namespace(), targetNamespace)
          .distinct()
          .forEach(
              namespace -> pods.add(parallel.run(() -> podsOn(client, node, namespace, atLeast))));
    }
  }

  /// @param namespace absent: of all of them
  static List<Pod> podsOn(
      KubernetesClient client, String node, @Nullable String namespace, @Nullable String atLeast) {
    var pods = client.resources(SlimPod.class);
    return read(
            "pods on Node " + node,
            () ->
                Listing.of(
                    (namespace == null ? pods.inAnyNamespace() : pods.inNamespace(namespace))
                        .withField("spec.nodeName", node),
                    atLeast,
                    new Slim()::pod))
        .items();
  }

  /// @param labels keys of those that are needed
  static List<Node> nodes(KubernetesClient client, Set<String> labels) {
    return nodes("Nodes", client.resources(SlimNode.class), labels);
  }

  static List<Node> nodes(KubernetesClient client, String field, String value, Set<String> labels) {
    return nodes(
        "Nodes with %s=%s".formatted(field, value),
        client.resources(SlimNode.class).withField(field, value),
        labels);
  }

  private static List<Node> nodes(
      KubernetesClient client, NodeChoice.Labeled selector, Set<String> labels) {
    return nodes(
        selector.describe(),
        client.resources(SlimNode.class).withLabels(selector.labels()),
        labels);
  }

  private static List<Node> nodes(
      String what,
      FilterWatchListDeletable<SlimNode, KubernetesResourceList<SlimNode>, ?> query,
      Set<String> labels) {
    return read(what, () -> Listing.of(query, null, new Slim(labels)::node)).items();
  }
}
