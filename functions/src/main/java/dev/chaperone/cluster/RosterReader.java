package dev.chaperone.cluster;

import static dev.chaperone.cluster.ClusterReader.read;

import dev.chaperone.cluster.Slim.SlimNode;
import dev.chaperone.cluster.Slim.SlimPod;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Made;
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

/// Reads which guards do not run, and who is on the cordoned nodes and on those that are named,
/// such as those that are said to be gone. As much of it as can be is on its way as soon as there
/// is a reader.
final class RosterReader {
  /// With more nodes than this, one list of everything is cheaper than reads for each.
  static final int FEW = 16;

  private final KubernetesClient client;
  private final CompanionRef ref;
  private final String targetNamespace;
  private final Set<String> named;
  private final Parallel parallel;
  private final Parallel.Result<Listing<Pod>> notRunning;
  private final Parallel.Result<List<Node>> cordoned;
  private final Set<String> asked = new HashSet<>();
  private final List<Parallel.Result<List<Pod>>> pods = new ArrayList<>();

  RosterReader(
      KubernetesClient client,
      CompanionRef ref,
      String targetNamespace,
      Set<String> named,
      Parallel parallel) {
    this.client = client;
    this.ref = ref;
    this.targetNamespace = targetNamespace;
    this.named = named;
    this.parallel = parallel;
    this.notRunning = parallel.run(this::guardsNotRunning);
    this.cordoned = parallel.run(() -> nodes(client, "spec.unschedulable", "true"));
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
  Roster few(@Nullable DaemonSet target) {
    Map<String, Node> known = new TreeMap<>();
    parallel.result(cordoned).forEach(node -> known.put(node.getMetadata().getName(), node));
    Set<String> few = new TreeSet<>(named);
    few.addAll(known.keySet());
    if (few.size() > FEW) {
      Roster all = all(target);
      return target == null ? all.ofCordoned() : all;
    }
    few.forEach(node -> askForPodsOn(node, asOfGuards()));
    List<Pod> running = pods.stream().flatMap(it -> parallel.result(it).stream()).toList();
    List<Pod> guards = running.stream().filter(pod -> Made.isGuard(pod, ref)).toList();
    // After the guards: one whose node is not there has lost it.
    guards.stream()
        .map(guard -> guard.getSpec().getNodeName())
        .distinct()
        .filter(node -> !known.containsKey(node))
        .flatMap(node -> nodes(client, "metadata.name", node).stream())
        .forEach(node -> known.put(node.getMetadata().getName(), node));
    return new Roster(
        false, known, running.stream().filter(of(target)).toList(), guards, List.of());
  }

  /// Who is on every node.
  Roster all(@Nullable DaemonSet target) {
    var targetPods = parallel.run(() -> target == null ? List.<Pod>of() : podsOf(target));
    List<Pod> labelled = labelledGuards();
    // After the guards: one whose node is not in this list has lost it.
    List<Node> nodes = nodes(client);
    return new Roster(
        true,
        nodes.stream()
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
              namespace -> pods.add(parallel.run(() -> podsOn(node, namespace, atLeast).items())));
    }
  }

  private Listing<Pod> podsOn(String node, String namespace, @Nullable String atLeast) {
    return read(
        "pods on Node " + node,
        () ->
            Listing.of(
                client
                    .resources(SlimPod.class)
                    .inNamespace(namespace)
                    .withField("spec.nodeName", node),
                atLeast,
                new Slim()::pod));
  }

  static List<Node> nodes(KubernetesClient client) {
    return read("Nodes", () -> Listing.of(client.resources(SlimNode.class), null, new Slim()::node))
        .items();
  }

  static List<Node> nodes(KubernetesClient client, String field, String value) {
    return read(
            "Nodes with %s=%s".formatted(field, value),
            () ->
                Listing.of(
                    client.resources(SlimNode.class).withField(field, value),
                    null,
                    new Slim()::node))
        .items();
  }
}
