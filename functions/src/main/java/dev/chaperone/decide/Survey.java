package dev.chaperone.decide;

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.toMap;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Observed;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.Hold;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.time.Instant;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// The whole cluster as it was read at one time, as far as decisions about Companions depend on it.
///
/// A decision on it is some seconds old when it is written. So it is good for what may come late
/// ([Decision#mayComeLate]), and for the question which Companions need a look of their own.
public final class Survey {
  private final Instant now;
  private final Settings settings;
  private final Map<String, List<Companion>> companions;
  private final Map<CompanionRef, List<Hold>> holds;
  private final Map<String, List<PodDisruptionBudget>> budgets;
  private final Map<String, DaemonSet> daemonSets;
  private final Map<String, Deployment> deployments;
  private final Map<CompanionRef, List<Pod>> guards;
  private final Map<String, List<Pod>> podsByOwner;
  private final Map<String, Node> nodes;
  private final Map<Observing, Observation> observed;
  private final boolean servesEvictions;
  private final Map<String, List<GenericKubernetesResource>> evictions;

  /// What a Companion observes.
  ///
  /// @param from the Companion's own namespace
  public record Observing(Observed object, String from) {}

  /// What was read: of each list at least what Companions need.
  ///
  /// @param companions every one that there is
  /// @param deployments guard Deployments
  /// @param guards pods with the labels of guards
  /// @param targetPods pods of the DaemonSets that Companions name as targets
  /// @param observed those that could be read soon enough
  /// @param evictions those that name Chaperone as a responder, and no targets
  public record Found(
      List<Companion> companions,
      List<Hold> holds,
      List<PodDisruptionBudget> budgets,
      List<DaemonSet> daemonSets,
      List<Deployment> deployments,
      List<Pod> guards,
      List<Pod> targetPods,
      List<Node> nodes,
      Map<Observing, Observation> observed,
      Evictions evictions) {}

  public Survey(Instant now, Settings settings, Found found) {
    this.now = now;
    this.settings = settings;
    this.companions = byNamespace(found.companions);
    this.holds =
        found.holds.stream()
            .filter(hold -> hold.getSpec() != null)
            .collect(groupingBy(CompanionRef::of));
    this.budgets = byNamespace(found.budgets);
    this.daemonSets = byName(found.daemonSets);
    this.deployments = byName(found.deployments);
    this.guards =
        found.guards.stream()
            .filter(pod -> Made.companion(pod).isPresent())
            .collect(groupingBy(pod -> Made.companion(pod).get()));
    this.podsByOwner = byOwner(found.targetPods);
    this.nodes =
        found.nodes.stream()
            .collect(toMap(it -> it.getMetadata().getName(), Function.identity(), (one, _) -> one));
    this.observed = found.observed;
    this.servesEvictions = found.evictions.served();
    this.evictions = byNamespace(found.evictions.objects());
  }

  /// Whether nothing was said of this Companion yet, or not all of its guards run: those that a
  /// drain has taken away are not missed.
  public static boolean isUnfinished(Companion companion) {
    CompanionStatus status = companion.getStatus();
    if (status == null || status.guards() == null) {
      return status == null;
    }
    int drained = status.drainedNodes() == null ? 0 : status.drainedNodes().nodes().size();
    return status.guards().running() + drained < status.guards().desired();
  }

  /// What a look at this Companion would have seen; empty if there is none that can be read, or
  /// not all of it is in this survey.
  ///
  /// @param closed what was written of [#closing] since
  public Optional<Snapshot> of(CompanionRef ref, boolean pulse, Written closed) {
    return living(ref)
        .filter(it -> it.whyUnreadable().isEmpty())
        .filter(
            it ->
                it.getSpec().disruption().observe().stream()
                    .allMatch(what -> observed.containsKey(new Observing(what, ref.namespace()))))
        .map(companion -> snapshot(companion, ref, pulse, closed));
  }

  /// What closes the Companion's budgets for reasons that need no look, as [KnownFacts#closing].
  /// Nothing has to be read again for that: each change is fenced by the budget that was seen, and
  /// a budget that is closed for a moment too long is safe.
  public List<Change> closing(CompanionRef ref) {
    return living(ref).map(it -> known(it, ref).closing()).orElse(List.of());
  }

  /// Whether a decision about this Companion evaluates expressions, which can take long.
  public boolean evaluates(CompanionRef ref) {
    return living(ref)
        .filter(it -> it.whyUnreadable().isEmpty())
        .filter(it -> !it.getSpec().disruption().holdWhen().isEmpty())
        .isPresent();
  }

  private KnownFacts known(Companion companion, CompanionRef ref) {
    return KnownFacts.of(
        now,
        settings,
        companion,
        budgets.getOrDefault(ref.namespace(), List.of()),
        holds.getOrDefault(ref, List.of()));
  }

  private Optional<Companion> living(CompanionRef ref) {
    return companions.getOrDefault(ref.namespace(), List.of()).stream()
        .filter(it -> it.getMetadata().getName().equals(ref.name()))
        .filter(it -> it.getMetadata().getDeletionTimestamp() == null)
        .findFirst();
  }

  /// As [HoldReports#strays].
  public SortedSet<CompanionRef> strays() {
    Set<CompanionRef> everyone =
        companions.values().stream()
            .flatMap(List::stream)
            .map(CompanionRef::of)
            .collect(Collectors.toSet());
    return HoldReports.strays(
        holds.values().stream().flatMap(List::stream).toList(), everyone, now);
  }

  private Snapshot snapshot(Companion companion, CompanionRef ref, boolean pulse, Written closed) {
    var spec = companion.getSpec();
    boolean guarded =
        spec.disruption().protect().contains(Protect.Nodes)
            && settings.scope().covers(Snapshot.targetNamespace(companion));
    DaemonSet target =
        settings.scope().covers(Snapshot.targetNamespace(companion))
            ? daemonSets.get(name(Snapshot.targetNamespace(companion), spec.targetRef().name()))
            : null;
    List<Pod> labelled = guards.getOrDefault(ref, List.of());
    List<Pod> own = labelled.stream().filter(pod -> Made.isGuard(pod, ref)).toList();
    Map<String, Observation> seen = new LinkedHashMap<>();
    for (Observed it : spec.disruption().observe()) {
      seen.put(it.as(), Objects.requireNonNull(observed.get(new Observing(it, ref.namespace()))));
    }
    return new Snapshot(
        now,
        settings,
        pulse,
        closed.over(budgets.getOrDefault(ref.namespace(), List.of())),
        companion,
        Snapshot.rivals(companion, companions.getOrDefault(ref.namespace(), List.of())),
        target,
        spec.followerRef() == null
            ? null
            : daemonSets.get(name(ref.namespace(), spec.followerRef().name())),
        deployments.get(name(ref.namespace(), Made.guards(ref.name()))),
        holds.getOrDefault(ref, List.of()),
        seen,
        guarded ? own.stream().filter(pod -> !Roster.isRunning(pod)).toList() : List.of(),
        null,
        new Evictions(servesEvictions, evictions.getOrDefault(ref.namespace(), List.of()), own),
        guarded ? roster(companion, ref, target, own, labelled) : Roster.NONE);
  }

  private Roster roster(
      Companion companion,
      CompanionRef ref,
      @Nullable DaemonSet target,
      List<Pod> own,
      List<Pod> labelled) {
    Roster guards =
        new Roster(
            true,
            nodes,
            target == null
                ? List.of()
                : podsByOwner.getOrDefault(target.getMetadata().getUid(), List.of()),
            own,
            labelled.stream().filter(pod -> !Made.isGuard(pod, ref)).toList());
    return target == null
        ? guards.ofCordonedAnd(
            Holds.heldNodes(companion, holds.getOrDefault(ref, List.of()), now, guards))
        : guards;
  }

  private static <T extends HasMetadata> Map<String, List<T>> byNamespace(Collection<T> objects) {
    return objects.stream().collect(groupingBy(it -> it.getMetadata().getNamespace()));
  }

  private static <T extends HasMetadata> Map<String, T> byName(Collection<T> objects) {
    return objects.stream()
        .collect(
            toMap(
                it -> name(it.getMetadata().getNamespace(), it.getMetadata().getName()),
                Function.identity(),
                (one, _) -> one));
  }

  private static Map<String, List<Pod>> byOwner(Collection<Pod> pods) {
    return pods.stream()
        .filter(pod -> owner(pod) != null)
        .collect(groupingBy(pod -> String.valueOf(owner(pod))));
  }

  private static @Nullable String owner(Pod pod) {
    return pod.getMetadata().getOwnerReferences().stream()
        .map(it -> it.getUid())
        .findFirst()
        .orElse(null);
  }

  private static String name(String namespace, String name) {
    return namespace + "/" + name;
  }
}
