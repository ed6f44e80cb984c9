package dev.chaperone.lab.peer;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.GuardCount;
import dev.chaperone.api.Hold;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.ConditionBuilder;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.javaoperatorsdk.operator.api.config.informer.InformerEventSourceConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.ControllerConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import io.javaoperatorsdk.operator.processing.dependent.kubernetes.SSABasedGenericKubernetesResourceMatcher;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import io.javaoperatorsdk.operator.processing.event.source.SecondaryToPrimaryMapper;
import io.javaoperatorsdk.operator.processing.event.source.informer.InformerEventSource;
import io.javaoperatorsdk.operator.processing.event.source.informer.Mappers;
import io.javaoperatorsdk.operator.processing.event.source.informer.TransformingItemStore;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The whole operator: everything it reads comes from informers, everything it writes is compared
/// first.
@ControllerConfiguration(name = "peer", fieldManager = "peer")
final class CompanionReconciler implements Reconciler<Companion> {
  private static final String BY_DAEMON_SET = "by-daemon-set";
  private static final String BY_COMPANION = "by-companion";
  private static final String BY_OWNER = "by-owner";
  private static final long PAGE = 500;

  private final String targetPodSelector;
  private final Guards guards = new Guards();
  private Sources sources;

  @SuppressWarnings("NullAway.Init")
  CompanionReconciler(String targetPodSelector) {
    this.targetPodSelector = targetPodSelector;
  }

  private record Sources(
      InformerEventSource<DaemonSet, Companion> daemonSets,
      InformerEventSource<Hold, Companion> holds,
      InformerEventSource<Deployment, Companion> deployments,
      InformerEventSource<PodDisruptionBudget, Companion> budgets,
      InformerEventSource<Pod, Companion> guardPods,
      InformerEventSource<Pod, Companion> targetPods,
      InformerEventSource<Node, Companion> nodes) {

    List<EventSource<?, Companion>> all() {
      return List.of(daemonSets, holds, deployments, budgets, guardPods, targetPods, nodes);
    }
  }

  @Override
  public List<EventSource<?, Companion>> prepareEventSources(
      EventSourceContext<Companion> context) {
    context
        .getPrimaryCache()
        .addIndexer(
            BY_DAEMON_SET,
            companion ->
                Stream.concat(Stream.of(targetOf(companion)), followerOf(companion).stream())
                    .map(ResourceID::toString)
                    .distinct()
                    .toList());
    var daemonSets =
        source(
            context,
            from(DaemonSet.class)
                .withSecondaryToPrimaryMapper(
                    daemonSet -> naming(context, ResourceID.fromResource(daemonSet)))
                .withPrimaryToSecondaryMapper((Companion companion) -> Set.of(targetOf(companion)))
                .withOnUpdateFilter(
                    (now, before) ->
                        !Objects.equals(
                                now.getMetadata().getGeneration(),
                                before.getMetadata().getGeneration())
                            || Desired.nodes(now) != Desired.nodes(before)));
    var holds =
        source(
            context,
            from(Hold.class)
                .withSecondaryToPrimaryMapper(
                    hold ->
                        Set.of(
                            new ResourceID(
                                hold.getSpec().companionRef().name(),
                                hold.getMetadata().getNamespace()))));
    var deployments =
        source(
            context,
            from(Deployment.class)
                .withLabelSelector(selector(Desired.MANAGED))
                .withOnUpdateFilter(CompanionReconciler::generationChanged)
                .withSecondaryToPrimaryMapper(Mappers.fromOwnerReferences(Companion.class)));
    var budgets =
        source(
            context,
            from(PodDisruptionBudget.class)
                .withLabelSelector(selector(Desired.MANAGED))
                .withOnUpdateFilter(CompanionReconciler::generationChanged)
                .withSecondaryToPrimaryMapper(Mappers.fromOwnerReferences(Companion.class)));
    var guardPods =
        source(context, pods(selector(Desired.MANAGED), pod -> Set.of(companionOfGuard(pod))));
    guardPods.addIndexers(Map.of(BY_COMPANION, pod -> List.of(companionOfGuard(pod).toString())));
    var targetPods = source(context, pods(targetPodSelector, pod -> naming(context, ownerOf(pod))));
    targetPods.addIndexers(Map.of(BY_OWNER, pod -> List.of(ownerOf(pod).toString())));
    var nodes =
        source(
            context,
            from(Node.class)
                .withItemStore(new TransformingItemStore<>(Cached::node))
                .withPrimaryToSecondaryMapper((Companion _) -> Set.of())
                .withOnUpdateFilter((now, before) -> !now.getSpec().equals(before.getSpec()))
                .withSecondaryToPrimaryMapper(
                    _ ->
                        context
                            .getPrimaryCache()
                            .list()
                            .map(ResourceID::fromResource)
                            .collect(Collectors.toSet())));
    sources = new Sources(daemonSets, holds, deployments, budgets, guardPods, targetPods, nodes);
    return sources.all();
  }

  @Override
  public UpdateControl<Companion> reconcile(Companion companion, Context<Companion> context) {
    Instant now = Instant.now();
    Optional<DaemonSet> target = sources.daemonSets().get(targetOf(companion));
    if (target.isEmpty()) {
      delete(context);
      return report(companion, "TargetNotFound", true, new GuardCount(0, 0, 0));
    }
    Optional<DaemonSet> follower = followerOf(companion).flatMap(sources.daemonSets()::get);
    List<Hold> active =
        context
            .getSecondaryResourcesAsStream(Hold.class)
            .filter(hold -> expiry(hold).filter(end -> !end.isAfter(now)).isEmpty())
            .toList();
    Policy policy = companion.getSpec().disruption().policy();
    boolean held = policy == Policy.AlwaysHold || (policy == Policy.Auto && !active.isEmpty());
    if (held) {
      budgets(companion, follower, true, context);
    }
    follower
        .filter(it -> !Desired.samePlacement(target.get(), it))
        .ifPresent(
            it ->
                context
                    .resourceOperations()
                    .serverSideApply(Desired.placement(target.get(), it), sources.daemonSets()));
    int wanted = Desired.nodes(target.get());
    List<Pod> guardPods =
        sources.guardPods().byIndex(BY_COMPANION, ResourceID.fromResource(companion).toString());
    guards(companion, target.get(), wanted, guardPods, context);
    Guards.Count count =
        guards.place(
            context.getClient(),
            guardPods,
            sources.targetPods().byIndex(BY_OWNER, targetOf(companion).toString()),
            name -> sources.nodes().get(new ResourceID(name)),
            wanted);
    if (!held) {
      budgets(companion, follower, false, context);
    }
    UpdateControl<Companion> update =
        report(
            companion,
            held ? "Hold" : "NothingHolds",
            !held,
            new GuardCount(wanted, count.bound(), count.bound()));
    active.stream()
        .flatMap(hold -> expiry(hold).stream())
        .min(Instant::compareTo)
        .ifPresent(end -> update.rescheduleAfter(Duration.between(now, end)));
    return update;
  }

  private void budgets(
      Companion companion, Optional<DaemonSet> follower, boolean held, Context<Companion> context) {
    apply(Desired.nodesBudget(companion, held), sources.budgets(), context);
    follower.ifPresent(
        it -> apply(Desired.podsBudget(companion, it, held), sources.budgets(), context));
  }

  /// Shrinks only by guards that wait: lowering replicas further would delete running ones.
  private void guards(
      Companion companion,
      DaemonSet target,
      int wanted,
      List<Pod> guardPods,
      Context<Companion> context) {
    int replicas =
        sources
            .deployments()
            .get(
                new ResourceID(
                    companion.getMetadata().getName() + "-guards",
                    companion.getMetadata().getNamespace()))
            .map(it -> it.getSpec().getReplicas())
            .filter(now -> now > wanted)
            .map(now -> Math.max(wanted, now - waiting(guardPods)))
            .orElse(wanted);
    apply(Desired.guards(companion, target, replicas), sources.deployments(), context);
  }

  private static int waiting(List<Pod> guards) {
    return Math.toIntExact(
        guards.stream()
            .filter(pod -> pod.getSpec().getNodeName() == null)
            .filter(pod -> pod.getMetadata().getDeletionTimestamp() == null)
            .count());
  }

  private static <R extends HasMetadata> void apply(
      R desired, InformerEventSource<R, Companion> source, Context<Companion> context) {
    boolean matches =
        source
            .get(ResourceID.fromResource(desired))
            .filter(
                actual ->
                    SSABasedGenericKubernetesResourceMatcher.<R>getInstance()
                        .matches(actual, desired, context))
            .isPresent();
    if (!matches) {
      context.resourceOperations().serverSideApply(desired, source);
    }
  }

  private static void delete(Context<Companion> context) {
    Stream.concat(
            context.getSecondaryResourcesAsStream(Deployment.class),
            context.getSecondaryResourcesAsStream(PodDisruptionBudget.class))
        .forEach(it -> context.getClient().resource(it).delete());
  }

  private static UpdateControl<Companion> report(
      Companion companion, String reason, boolean allowed, GuardCount count) {
    List<Condition> before =
        Optional.ofNullable(companion.getStatus())
            .map(CompanionStatus::conditions)
            .orElse(List.of());
    String status = allowed ? "True" : "False";
    String since =
        before.stream()
            .filter(it -> it.getStatus().equals(status))
            .map(Condition::getLastTransitionTime)
            .findFirst()
            .orElseGet(() -> Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
    Condition condition =
        new ConditionBuilder()
            .withType("DisruptionAllowed")
            .withStatus(status)
            .withReason(reason)
            .withMessage(reason)
            .withLastTransitionTime(since)
            .withObservedGeneration(companion.getMetadata().getGeneration())
            .build();
    CompanionStatus after =
        new CompanionStatus(
            companion.getMetadata().getGeneration(),
            count,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            List.of(condition));
    if (after.equals(companion.getStatus())) {
      return UpdateControl.noUpdate();
    }
    Companion reported = new Companion();
    reported.setMetadata(
        new ObjectMetaBuilder()
            .withNamespace(companion.getMetadata().getNamespace())
            .withName(companion.getMetadata().getName())
            .build());
    reported.setStatus(after);
    return UpdateControl.patchStatus(reported);
  }

  private static <R extends HasMetadata> InformerEventSource<R, Companion> source(
      EventSourceContext<Companion> context, InformerEventSourceConfiguration.Builder<R> builder) {
    return new InformerEventSource<>(builder.build(), context);
  }

  private static <R extends HasMetadata> InformerEventSourceConfiguration.Builder<R> from(
      Class<R> type) {
    return InformerEventSourceConfiguration.from(type, Companion.class)
        .withWatchAllNamespaces()
        .withInformerListLimit(PAGE);
  }

  private static InformerEventSourceConfiguration.Builder<Pod> pods(
      String selector, SecondaryToPrimaryMapper<Pod> companions) {
    return from(Pod.class)
        .withName("pods " + selector)
        .withLabelSelector(selector)
        .withItemStore(new TransformingItemStore<>(Cached::pod))
        .withPrimaryToSecondaryMapper((Companion _) -> Set.of())
        .withOnUpdateFilter(
            (now, before) ->
                !Objects.equals(now.getSpec().getNodeName(), before.getSpec().getNodeName())
                    || isEnding(now) != isEnding(before))
        .withSecondaryToPrimaryMapper(companions);
  }

  private static boolean isEnding(Pod pod) {
    return pod.getMetadata().getDeletionTimestamp() != null;
  }

  private static boolean generationChanged(HasMetadata now, HasMetadata before) {
    return !Objects.equals(now.getMetadata().getGeneration(), before.getMetadata().getGeneration());
  }

  private static Set<ResourceID> naming(
      EventSourceContext<Companion> context, ResourceID daemonSet) {
    return context.getPrimaryCache().byIndex(BY_DAEMON_SET, daemonSet.toString()).stream()
        .map(ResourceID::fromResource)
        .collect(Collectors.toSet());
  }

  private static ResourceID targetOf(Companion companion) {
    String namespace = companion.getSpec().targetRef().namespace();
    return new ResourceID(
        companion.getSpec().targetRef().name(),
        namespace != null ? namespace : companion.getMetadata().getNamespace());
  }

  private static Optional<ResourceID> followerOf(Companion companion) {
    return Optional.ofNullable(companion.getSpec().followerRef())
        .map(it -> new ResourceID(it.name(), companion.getMetadata().getNamespace()));
  }

  private static ResourceID companionOfGuard(Pod guard) {
    return new ResourceID(
        guard.getMetadata().getLabels().getOrDefault(Desired.LABEL, ""),
        guard.getMetadata().getNamespace());
  }

  private static ResourceID ownerOf(Pod pod) {
    String owner =
        pod.getMetadata().getOwnerReferences().stream()
            .findFirst()
            .map(it -> it.getName())
            .orElse("");
    return new ResourceID(owner, pod.getMetadata().getNamespace());
  }

  private static Optional<Instant> expiry(Hold hold) {
    @Nullable String at = hold.getSpec().expiresAt();
    return Optional.ofNullable(at).map(it -> OffsetDateTime.parse(it).toInstant());
  }

  private static String selector(Map<String, String> labels) {
    return labels.entrySet().stream()
        .map(label -> label.getKey() + "=" + label.getValue())
        .collect(Collectors.joining(","));
  }
}
