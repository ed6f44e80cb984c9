package dev.chaperone.cluster;

import static dev.chaperone.cluster.ClusterReader.read;
import static dev.chaperone.cluster.ClusterReader.readable;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.Hold;
import dev.chaperone.cluster.Slim.SlimPod;
import dev.chaperone.decide.Holds;
import dev.chaperone.decide.Made;
import dev.chaperone.decide.NodeChoice;
import dev.chaperone.decide.Observation;
import dev.chaperone.decide.Settings;
import dev.chaperone.decide.Snapshot;
import dev.chaperone.decide.Survey;
import dev.chaperone.decide.Survey.Observing;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.KubernetesResourceList;
import io.fabric8.kubernetes.api.model.LabelSelector;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.FilterWatchListDeletable;
import io.fabric8.kubernetes.client.dsl.MixedOperation;
import io.fabric8.kubernetes.client.dsl.Resource;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Reads the whole cluster in a few lists, as many for a thousand Companions as for ten.
final class SurveyReader {
  /// With more DaemonSets, or more namespaces, one list of everything is cheaper.
  private static final int FEW = 8;

  /// With more Companions, a page of each list at the same time would not fit in memory.
  private static final int MANY = 100;

  private static final int PAGES_AT_ONCE = 2;

  /// Beyond the time that the lists take.
  private static final Duration FOR_OBSERVED = Duration.ofSeconds(1);

  private final KubernetesClient client;
  private final Settings settings;
  private final ObservedReader observedObjects;
  private final EvictionReader evictionReader;
  private final Semaphore pages;

  /// @param companions about how many there are
  SurveyReader(
      KubernetesClient client,
      Settings settings,
      ObservedReader observedObjects,
      EvictionReader evictionReader,
      int companions) {
    this.pages = new Semaphore(companions > MANY ? PAGES_AT_ONCE : Integer.MAX_VALUE);
    this.client = client;
    this.settings = settings;
    this.observedObjects = observedObjects;
    this.evictionReader = evictionReader;
  }

  /// @throws Unavailable when the API server does not answer
  Survey survey(Instant now, Deadline deadline) {
    deadline.check("reading all Companions at once");
    try (Parallel parallel = new Parallel()) {
      var companions =
          parallel.run(() -> all("Companions", client.resources(Companion.class), Slim::slim));
      // Who wrote a follower's placement makes a difference.
      var daemonSets = parallel.run(() -> all("DaemonSets", client.apps().daemonSets(), it -> it));
      var holds = parallel.run(() -> all("Holds", client.resources(Hold.class), Slim::slim));
      var budgets =
          parallel.run(
              () ->
                  all(
                      "PodDisruptionBudgets",
                      client.policy().v1().podDisruptionBudget(),
                      Slim::slim));
      var deployments =
          parallel.run(
              () ->
                  list(
                      "Deployments",
                      everywhere(client.apps().deployments()).withLabels(Made.MANAGED),
                      new Slim()::deployment));
      var evictions = parallel.run(evictionReader::everywhere);
      var guards =
          parallel.run(
              () ->
                  pods(
                      "guards",
                      everywhere(client.resources(SlimPod.class)).withLabels(Made.GUARD),
                      _ -> true));
      List<Companion> all = parallel.result(companions);
      List<DaemonSet> targets = targets(all, parallel.result(daemonSets));
      var targetPods = targetPods(targets, parallel);
      Map<Observing, Parallel.Result<Observation>> observed = new HashMap<>();
      for (Observing it : observed(all)) {
        observed.put(it, parallel.run(() -> observedObjects.read(it.object(), it.from())));
      }
      List<Pod> everyGuard = parallel.result(guards);
      List<Pod> everyTargetPod =
          targetPods.stream().flatMap(it -> parallel.result(it).stream()).toList();
      deadline.check("reading all Nodes");
      // After the guards: one whose node is not in this list has lost it.
      var nodes =
          RosterReader.nodes(client, NodeChoice.keys(Holds.selectors(parallel.result(holds), now)));
      // One that is slow is left to the looks of those who observe it.
      Deadline soon = deadline.orIn(FOR_OBSERVED);
      Map<Observing, Observation> seen = new HashMap<>();
      observed.forEach(
          (what, result) ->
              parallel.resultBefore(soon, result).ifPresent(it -> seen.put(what, it)));
      return new Survey(
          now,
          settings,
          new Survey.Found(
              all,
              parallel.result(holds),
              parallel.result(budgets),
              parallel.result(daemonSets),
              parallel.result(deployments),
              everyGuard,
              everyTargetPod,
              nodes,
              seen,
              parallel.result(evictions)));
    }
  }

  private static Set<Observing> observed(List<Companion> companions) {
    return readable(companions)
        .flatMap(
            it ->
                it.getSpec().disruption().observe().stream()
                    .map(object -> new Observing(object, it.getMetadata().getNamespace())))
        .collect(Collectors.toCollection(LinkedHashSet::new));
  }

  private static List<DaemonSet> targets(List<Companion> companions, List<DaemonSet> daemonSets) {
    Set<String> names =
        readable(companions)
            .filter(it -> it.getSpec().disruption().protect().contains(Protect.Nodes))
            .map(it -> Snapshot.targetNamespace(it) + "/" + it.getSpec().targetRef().name())
            .collect(Collectors.toSet());
    return daemonSets.stream()
        .filter(
            it ->
                names.contains(it.getMetadata().getNamespace() + "/" + it.getMetadata().getName()))
        .toList();
  }

  private List<Parallel.Result<List<Pod>>> targetPods(List<DaemonSet> targets, Parallel parallel) {
    record Place(String namespace, LabelSelector selector) {}
    Set<Place> places =
        targets.stream()
            .map(it -> new Place(it.getMetadata().getNamespace(), it.getSpec().getSelector()))
            .collect(Collectors.toSet());
    Set<String> namespaces = places.stream().map(Place::namespace).collect(Collectors.toSet());
    Set<String> uids =
        targets.stream().map(it -> it.getMetadata().getUid()).collect(Collectors.toSet());
    Predicate<SlimPod> isOfTarget =
        pod ->
            pod.getMetadata().getOwnerReferences().stream()
                .anyMatch(owner -> uids.contains(owner.getUid()));
    var pods = client.resources(SlimPod.class);
    Stream<FilterWatchListDeletable<SlimPod, KubernetesResourceList<SlimPod>, ?>> queries =
        places.size() <= FEW
            ? places.stream()
                .map(it -> pods.inNamespace(it.namespace).withLabelSelector(it.selector))
            : namespaces.size() <= FEW
                ? namespaces.stream().map(pods::inNamespace)
                : Stream.of(everywhere(pods));
    return queries
        .map(query -> parallel.run(() -> pods("target pods", query, isOfTarget)))
        .toList();
  }

  private <T extends HasMetadata, L extends KubernetesResourceList<T>, R extends Resource<T>>
      FilterWatchListDeletable<T, L, R> everywhere(MixedOperation<T, L, R> objects) {
    String only = settings.scope().only();
    return only == null ? objects.inAnyNamespace() : objects.inNamespace(only);
  }

  private <T extends HasMetadata, L extends KubernetesResourceList<T>, R extends Resource<T>>
      List<T> all(String what, MixedOperation<T, L, R> objects, Function<T, T> keep) {
    return list(what, everywhere(objects), keep);
  }

  private <T extends HasMetadata, L extends KubernetesResourceList<T>> List<T> list(
      String what, FilterWatchListDeletable<T, L, ?> query, Function<T, T> keep) {
    return inTurn(() -> read(what, () -> Listing.of(query, null, keep).items()));
  }

  private <T> T inTurn(Supplier<T> list) {
    pages.acquireUninterruptibly();
    try {
      return list.get();
    } finally {
      pages.release();
    }
  }

  private List<Pod> pods(
      String what,
      FilterWatchListDeletable<SlimPod, KubernetesResourceList<SlimPod>, ?> query,
      Predicate<SlimPod> wanted) {
    return inTurn(() -> read(what, () -> Listing.of(query, null, wanted, new Slim()::pod).items()));
  }
}
