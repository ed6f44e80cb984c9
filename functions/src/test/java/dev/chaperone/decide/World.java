package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.BreakGlass;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.HoldExpression;
import dev.chaperone.api.CompanionSpec.MaintenanceWindow;
import dev.chaperone.api.CompanionSpec.Observed;
import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionSpec.TargetRef;
import dev.chaperone.api.CompanionSpec.UnhealthyNodeEvictionPolicy;
import dev.chaperone.api.CompanionStatus.PlacementWrites;
import dev.chaperone.api.Hold;
import dev.chaperone.api.HoldSpec;
import dev.chaperone.decide.Written.Refusal;
import io.fabric8.kubernetes.api.model.FieldsV1;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.ManagedFieldsEntryBuilder;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.NodeStatus;
import io.fabric8.kubernetes.api.model.NodeStatusBuilder;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodStatus;
import io.fabric8.kubernetes.api.model.PodStatusBuilder;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.Toleration;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.DaemonSetBuilder;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.DeploymentStatusBuilder;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetStatusBuilder;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A cluster as the pure decision sees it: what there is, what a decision's changes make of it, and
/// what Kubernetes' own controllers then do. A model for tables and properties of [Decision], which
/// knows no API server; that the model is right is for the integration tests to show.
final class World {
  static final Instant NOW = Instant.parse("2026-11-24T06:00:00Z");
  static final CompanionRef REF = new CompanionRef("storage", "agent");
  private static final KubernetesSerialization JSON = new KubernetesSerialization();

  Instant now = NOW;

  /// How long before it is seen a Hold is made.
  Duration heldFor = Duration.ofHours(1);

  Scope scope = Scope.CLUSTER;
  CompanionSpec spec = spec(Policy.Auto, new IntOrString(1), Protect.Pods, Protect.Nodes);
  boolean specUnreadable;
  final Companion companion = new Companion();
  final List<Companion> rivals = new ArrayList<>();
  @Nullable DaemonSet target = daemonSet("node", "uid-target");
  @Nullable DaemonSet follower = daemonSet("agent", "uid-follower");
  @Nullable Deployment guards;
  final SortedMap<String, PodDisruptionBudget> budgets = new TreeMap<>();
  final SortedMap<String, Hold> holds = new TreeMap<>();
  final Map<String, Observation> observed = new HashMap<>();
  final SortedMap<String, Node> nodes = new TreeMap<>();
  final SortedMap<String, Pod> targetPods = new TreeMap<>();
  final SortedMap<String, Pod> guardPods = new TreeMap<>();
  final SortedMap<String, Pod> lookAlikes = new TreeMap<>();
  GuardSettings settings = GuardSettings.of("guard:1");
  boolean marksNodes;
  boolean respondsToEvictions;

  /// Whether the API server has Evictions of `lifecycle.k8s.io`.
  boolean servesEvictions;

  final SortedMap<String, GenericKubernetesResource> evictions = new TreeMap<>();
  @Nullable PlacementWrites placed;
  @Nullable String maxHoldDuration;

  /// Of which template guards are made; what is new in a paused Deployment makes none.
  private String revision = "";

  /// As many as the reader looks at by name.
  private static final int FEW = 16;

  /// Nodes that somebody has said to be new.
  final Set<String> heard = new TreeSet<>();

  private final Set<String> brokenNodes = new TreeSet<>();
  private final Set<String> emptyNodes = new TreeSet<>();
  private final Set<String> unreadyTargets = new TreeSet<>();

  /// Budgets are counted only by [#count()], and only for what was seen of them.
  boolean countsLate;

  /// Guards as the disruption controller has seen them last.
  private final Map<String, Pod> seenPods = new HashMap<>();

  /// Those that the API server has evicted: the disruption controller knows, before it sees it.
  private final Set<String> evicted = new TreeSet<>();

  private final Set<String> toCount = new TreeSet<>();

  /// Names that Holds have had: one that is made again is another.
  private final Set<String> held = new TreeSet<>();

  private int holdSerial;
  private int versions;
  private int serial;

  World() {
    companion.setMetadata(
        new ObjectMetaBuilder()
            .withNamespace(REF.namespace())
            .withName(REF.name())
            .withUid("uid-companion")
            .withGeneration(1L)
            .withCreationTimestamp("2026-11-01T00:00:00Z")
            .build());
  }

  static CompanionSpec spec(Policy policy, IntOrString maxUnavailable, Protect... protect) {
    return new CompanionSpec(
        new TargetRef("node", null),
        new CompanionSpec.FollowerRef("agent"),
        new Disruption(policy, List.of(protect), maxUnavailable));
  }

  static DaemonSet daemonSet(String name, String uid) {
    return new DaemonSetBuilder()
        .withNewMetadata()
        .withNamespace("storage")
        .withName(name)
        .withUid(uid)
        .withGeneration(1L)
        .withResourceVersion("1")
        .endMetadata()
        .withNewSpec()
        .withNewSelector()
        .addToMatchLabels("app", name)
        .endSelector()
        .withNewTemplate()
        .withNewMetadata()
        .addToLabels("app", name)
        .endMetadata()
        .withNewSpec()
        .endSpec()
        .endTemplate()
        .endSpec()
        .withNewStatus()
        .withObservedGeneration(1L)
        .withDesiredNumberScheduled(0)
        .withNumberMisscheduled(0)
        .endStatus()
        .build();
  }

  World node(String name) {
    nodes.put(
        name,
        new NodeBuilder()
            .withNewMetadata()
            .withName(name)
            .endMetadata()
            .withNewSpec()
            .endSpec()
            .build());
    return this;
  }

  World nodes(int count) {
    for (int i = 1; i <= count; i++) {
      node("node-" + i);
    }
    return this;
  }

  World cordon(String node) {
    nodes.get(node).getSpec().setUnschedulable(true);
    return this;
  }

  /// Gives a node a label, or takes it away.
  World label(String node, String key, @Nullable String value) {
    ObjectMeta metadata = nodes.get(node).getMetadata();
    Map<String, String> labels = new HashMap<>();
    Optional.ofNullable(metadata.getLabels()).ifPresent(labels::putAll);
    if (value == null) {
      labels.remove(key);
    } else {
      labels.put(key, value);
    }
    metadata.setLabels(labels);
    return this;
  }

  World taint(String node, Taint taint) {
    nodes.get(node).getSpec().getTaints().add(taint);
    return this;
  }

  /// As the kubelet does, and the DaemonSet controller, which deletes its pod there, makes no other
  /// beside the taint, and does not count the node.
  World shutDown(String node) {
    guardOn(node)
        .setStatus(new PodStatusBuilder().withPhase("Failed").withReason("Terminated").build());
    targetPods.remove("target-" + node);
    taint(node, new Taint("NoSchedule", "node.kubernetes.io/not-ready", null, ""));
    controllers();
    assertThat(targetPods).doesNotContainKey("target-" + node);
    return this;
  }

  World uncordon(String node) {
    Node there = nodes.get(node);
    there.getSpec().setUnschedulable(null);
    there.getSpec().getTaints().clear();
    return this;
  }

  World hold(String name, @Nullable String expiresAt) {
    return hold(name, expiresAt, null, null);
  }

  /// A Hold of one node.
  World holdNode(String name, String node) {
    return hold(name, null, node, null);
  }

  /// A Hold of the nodes with these labels.
  World holdNodes(String name, Map<String, String> labels) {
    return hold(name, null, null, labels);
  }

  private World hold(
      String name,
      @Nullable String expiresAt,
      @Nullable String node,
      @Nullable Map<String, String> labels) {
    Hold hold = new Hold();
    hold.setMetadata(
        new ObjectMetaBuilder()
            .withNamespace("storage")
            .withName(name)
            .withUid("uid-" + name + (held.add(name) ? "" : "-" + ++holdSerial))
            .withGeneration(1L)
            .withCreationTimestamp(now.minus(heldFor).toString())
            .build());
    hold.setSpec(
        new HoldSpec(
            new HoldSpec.CompanionRef(REF.name()), "reason of " + name, expiresAt, node, labels));
    holds.put(name, hold);
    return this;
  }

  /// A running pod that is none of Chaperone's, with these labels.
  World lookAlike(String name, Map<String, String> labels) {
    lookAlikes.put(
        name,
        new PodBuilder()
            .withNewMetadata()
            .withNamespace("storage")
            .withName(name)
            .withLabels(labels)
            .endMetadata()
            .withNewSpec()
            .endSpec()
            .withStatus(running())
            .build());
    return this;
  }

  /// Somebody else who applies a node selector to the follower.
  World applyFollowersNodeSelector(String manager, Map<String, String> selector) {
    follower().getSpec().getTemplate().getSpec().setNodeSelector(selector);
    FieldsV1 fields = new FieldsV1();
    fields.setAdditionalProperty(
        "f:spec", Map.of("f:template", Map.of("f:spec", Map.of("f:nodeSelector", Map.of()))));
    follower()
        .getMetadata()
        .setManagedFields(
            List.of(
                new ManagedFieldsEntryBuilder()
                    .withManager(manager)
                    .withOperation("Apply")
                    .withFieldsV1(fields)
                    .build()));
    return this;
  }

  /// The budget that must be there.
  PodDisruptionBudget budget(String name) {
    return Objects.requireNonNull(budgets.get(name), name);
  }

  World budget(PodDisruptionBudget budget) {
    budgets.put(budget.getMetadata().getName(), budget);
    return this;
  }

  Snapshot snapshot() {
    return snapshot(false);
  }

  /// As the reader reads: the cordoned and the held nodes first; if the snapshot asks for them,
  /// those that somebody names, or all nodes.
  Snapshot snapshot(boolean pulse) {
    Snapshot seen = seen(pulse);
    if (FewNodes.needFewMore(seen, FEW)) {
      Set<String> more = new TreeSet<>(seen.toldUnguarded());
      more.addAll(heard);
      if (seen.expectsNodes()) {
        targetPods.values().stream()
            .filter(pod -> !Roster.isRunning(pod))
            .forEach(pod -> more.add(pod.getSpec().getNodeName()));
      }
      Snapshot some = seen.with(roster(union(more, cordonedAndHeld())));
      if (more.size() <= FEW && !FewNodes.needEveryNode(some)) {
        return some;
      }
    }
    return FewNodes.needEveryNode(seen) ? withEveryNode(seen) : seen;
  }

  /// The same, by who reads every node in any case.
  Snapshot withEveryNode(Snapshot seen) {
    return seen.with(
        new Roster(
            true,
            Map.copyOf(nodes),
            List.copyOf(targetPods.values()),
            List.copyOf(guardPods.values()),
            List.copyOf(lookAlikes.values())));
  }

  private Snapshot seen(boolean pulse) {
    companion.setSpec(spec);
    return new Snapshot(
        now,
        installation(),
        pulse,
        List.copyOf(budgets.values()),
        companion,
        List.copyOf(rivals),
        target,
        follower,
        guards,
        List.copyOf(holds.values()),
        Map.copyOf(observed),
        guardPods.values().stream().filter(pod -> !Roster.isRunning(pod)).toList(),
        placed,
        evictions(),
        roster(cordonedAndHeld()));
  }

  private Set<String> cordonedAndHeld() {
    List<Hold> all = List.copyOf(holds.values());
    Set<String> few = Holds.heldNodes(companion, all, now);
    Holds.selectors(all, now)
        .forEach(
            it -> nodes.values().stream().filter(it::matches).forEach(node -> few.add(name(node))));
    nodes.values().stream().filter(Roster::isCordoned).forEach(it -> few.add(name(it)));
    return few;
  }

  private Roster roster(Set<String> few) {
    return new Roster(
        false,
        nodes.values().stream()
            .filter(it -> few.contains(name(it)))
            .collect(Collectors.toMap(World::name, node -> node)),
        targetPods.values().stream().filter(pod -> isOn(pod, few)).toList(),
        guardPods.values().stream().filter(pod -> isOn(pod, few)).toList(),
        List.of());
  }

  private static Set<String> union(Set<String> one, Set<String> other) {
    Set<String> both = new TreeSet<>(one);
    both.addAll(other);
    return both;
  }

  Decision decide() {
    return Decision.of(snapshot());
  }

  /// One event: decide, write, report; guards that move take some looks more.
  Decision event(boolean pulse) {
    Decision decision = Decision.of(snapshot(pulse));
    decision.changes().forEach(this::apply);
    for (int looks = 0; decision.isMoving() && looks < 6; looks++) {
      count();
      decision = Decision.of(snapshot(pulse));
      decision.changes().forEach(this::apply);
    }
    report(decision).steps().forEach(step -> step.forEach(this::apply));
    return decision;
  }

  /// Failure domains by this label, and the domain of each node.
  World domains(String key, Map<String, String> domains) {
    domains.forEach((node, domain) -> nodes.get(node).getMetadata().setLabels(Map.of(key, domain)));
    return disruption("topologyKey", key);
  }

  /// Ignores what blocks until then.
  World breakGlass(String until) {
    return disruption("breakGlass", new BreakGlass(until, "the disk of node-3 is failing"));
  }

  World settlePeriod(String period) {
    return disruption("settlePeriod", period);
  }

  World window(MaintenanceWindow window) {
    return disruption("maintenanceWindows", List.of(window));
  }

  World observes(Observed... objects) {
    return disruption("observe", objects);
  }

  World holdsWhen(HoldExpression... expressions) {
    return disruption("holdWhen", expressions);
  }

  /// Whether a node whose target pod is not ready may go although others wait.
  World unhealthyNodes(UnhealthyNodeEvictionPolicy policy) {
    return disruption("unhealthyNodeEvictionPolicy", policy);
  }

  /// Another value of one field of spec.disruption.
  private World disruption(String field, Object value) {
    Map<?, ?> present = JSON.convertValue(spec.disruption(), Map.class);
    Map<Object, Object> fields = new HashMap<>(present);
    fields.put(field, value);
    spec =
        new CompanionSpec(
            spec.targetRef(), spec.followerRef(), JSON.convertValue(fields, Disruption.class));
    return this;
  }

  /// The kubelet's readiness probe of the target's pod, from now on.
  World targetReady(String node, boolean ready) {
    if (ready) {
      unreadyTargets.remove(node);
    } else {
      unreadyTargets.add(node);
    }
    Optional.ofNullable(targetPods.get("target-" + node))
        .filter(Roster::isRunning)
        .ifPresent(it -> it.setStatus(targetStatus(node)));
    Optional.ofNullable(target).ifPresent(it -> count(it));
    return this;
  }

  private PodStatus targetStatus(String node) {
    return unreadyTargets.contains(node)
        ? new PodStatusBuilder().withPhase("Running").build()
        : running();
  }

  /// What is said after the decision's changes were applied.
  Decision.Report report(Decision decision) {
    return decision.report(new Written(List.copyOf(budgets.values()), List.of()));
  }

  /// Events and controllers until nothing changes any more.
  World settle() {
    String before;
    do {
      before = state();
      controllers();
      event(false);
      controllers();
      event(true);
    } while (!before.equals(state()));
    return this;
  }

  /// One event of which the API server refuses every write, with these words.
  void refusedEvent(String words) {
    Decision decision = decide();
    Written refused =
        new Written(
            List.of(),
            decision.changes().stream().map(it -> new Refusal(it, words, true)).toList());
    decision.report(refused).steps().forEach(step -> step.forEach(this::apply));
  }

  /// One event that closed what it could, and did not come to a decision.
  void unread(Reason reason, String words) {
    specUnreadable = reason == Reason.SpecUnreadable;
    known().closing().forEach(this::apply);
    Unread.report(known(), reason, words).forEach(this::apply);
  }

  /// What is read first.
  KnownFacts known() {
    companion.setSpec(specUnreadable ? null : spec);
    return KnownFacts.of(
            now,
            installation(),
            companion,
            List.copyOf(budgets.values()),
            List.copyOf(holds.values()))
        .with(placed);
  }

  private Settings installation() {
    return new Settings(scope, settings, marksNodes, respondsToEvictions, maxHoldDuration);
  }

  /// As the reader reads them.
  Evictions evictions() {
    return respondsToEvictions && servesEvictions
        ? new Evictions(
            true,
            List.copyOf(evictions.values()),
            Stream.concat(guardPods.values().stream(), lookAlikes.values().stream()).toList())
        : Evictions.NONE;
  }

  Set<String> markedNodes() {
    return nodes.values().stream()
        .filter(it -> DrainBlocked.of(it).isPresent())
        .map(World::name)
        .collect(Collectors.toSet());
  }

  /// Whether the API server would take it: nobody has decided on the same object meanwhile.
  boolean takes(Change change) {
    return switch (change) {
      case Change.Create(PodDisruptionBudget budget) -> !budgets.containsKey(name(budget));
      case Change.Create _ -> guards == null;
      case Change.Replace(HasMetadata _, Deployment seen) ->
          guards != null && guards.getSpec().equals(seen.getSpec());
      case Change.Replace(HasMetadata _, HasMetadata seen) ->
          Optional.ofNullable(budgets.get(name(seen)))
              .filter(
                  it -> it.getMetadata().getGeneration().equals(seen.getMetadata().getGeneration()))
              .filter(
                  it ->
                      Objects.equals(
                          Made.closedFor(it), Made.closedFor((PodDisruptionBudget) seen)))
              .isPresent();
      case Change.Bind(Pod guard, String _) ->
          guardPods.containsKey(name(guard))
              && guardPods.get(name(guard)).getSpec().getNodeName() == null;
      case Change.Delete(Pod guard) -> guardPods.containsKey(name(guard));
      default -> true;
    };
  }

  void apply(Change change) {
    switch (change) {
      case Change.Create create -> store(create.object());
      case Change.Replace replace -> store(replace.object());
      case Change.Apply apply -> holds.put(name(apply.object()), apply.object());
      case Change.Place place -> {
        var spec = follower().getSpec().getTemplate().getSpec();
        spec.setNodeSelector(place.placement().nodeSelector());
        spec.setTolerations(place.placement().tolerations());
      }
      case Change.Bind bind -> {
        Pod guard = guardPods.get(name(bind.object()));
        guard.getMetadata().setResourceVersion("v" + ++versions);
        guard.getSpec().setNodeName(bind.node());
        if (!brokenNodes.contains(bind.node())) {
          guard.setStatus(running());
        }
      }
      case Change.SetApart apart ->
          guardPods.computeIfPresent(
              name(apart.object()),
              (_, pod) -> {
                var builder =
                    new PodBuilder(pod)
                        .editMetadata()
                        .withResourceVersion("v" + ++versions)
                        .removeFromLabels(apart.label());
                if (apart.value() != null) {
                  builder.addToLabels(apart.label(), apart.value());
                }
                return builder.endMetadata().build();
              });
      case Change.Delete delete -> {
        switch (delete.object()) {
          case Pod pod -> guardPods.remove(name(pod));
          case Deployment deployment -> guards = null;
          case Hold hold -> holds.remove(name(hold));
          default -> budgets.remove(name(delete.object()));
        }
      }
      case Change.Report report -> companion.setStatus(report.object().getStatus());
      case Change.ReportHold report ->
          holds.computeIfPresent(name(report.object()), (name, hold) -> report.object());
      case Change.ReportKey _ -> throw new AssertionError("no decision writes keys");
      case Change.Respond respond ->
          evictions.put(
              name(respond.object()),
              EvictionObjects.with(respond.object(), respond.index(), respond.entry()));
      case Change.SetSchedule beat -> {}
      case Change.Mark mark ->
          nodes
              .get(name(mark.object()))
              .setStatus(new NodeStatusBuilder().withConditions(mark.condition()).build());
      case Change.Unmark unmark ->
          Optional.ofNullable(nodes.get(name(unmark.object())))
              .filter(
                  node ->
                      unmark.companion() == null || DrainBlocked.isSaidBy(unmark.companion(), node))
              .ifPresent(node -> node.setStatus(new NodeStatus()));
      case Change.Renew renew -> {}
      case Change.Tell tell -> {}
      case Change.TellOnce tell -> {}
    }
  }

  private void store(HasMetadata object) {
    switch (object) {
      case Deployment deployment -> {
        deployment.setStatus(guards == null ? null : guards.getStatus());
        guards = deployment;
      }
      case PodDisruptionBudget budget -> {
        PodDisruptionBudget before = budgets.get(name(budget));
        long generation = before == null ? 0 : before.getMetadata().getGeneration();
        boolean isSame = before != null && before.getSpec().equals(budget.getSpec());
        budget(
            new PodDisruptionBudgetBuilder(budget)
                .editMetadata()
                .withGeneration(isSame ? generation : generation + 1)
                .endMetadata()
                .withStatus(before == null ? null : before.getStatus())
                .build());
        toCount.add(name(budget));
      }
      default -> throw new IllegalArgumentException(object.getKind());
    }
  }

  /// What Kubernetes does by itself: DaemonSet, ReplicaSet and pod garbage collection.
  void controllers() {
    targetPods.values().removeIf(pod -> !nodes.containsKey(pod.getSpec().getNodeName()));
    if (target == null) {
      targetPods.clear();
    } else {
      schedule(target);
    }
    Optional.ofNullable(follower).ifPresent(it -> count(it));
    guardPods
        .values()
        .removeIf(
            pod ->
                pod.getSpec().getNodeName() != null
                    && !nodes.containsKey(pod.getSpec().getNodeName()));
    if (guards == null) {
      guardPods.clear();
    } else {
      replicate(guards);
    }
    if (!countsLate) {
      count();
    }
  }

  /// As the disruption controller does, once it has seen every pod as it is now.
  void count() {
    seePods();
    countSeen();
  }

  /// The disruption controller sees the pods as they are now. It counts a budget again only for
  /// what happened to a pod that the budget selects now, or did last.
  void seePods() {
    Map<String, Pod> now = new HashMap<>();
    guardPods.forEach((name, pod) -> now.put(name, new PodBuilder(pod).build()));
    union(seenPods.keySet(), now.keySet()).stream()
        .filter(name -> !Objects.equals(seenPods.get(name), now.get(name)))
        .map(name -> Objects.requireNonNullElse(now.get(name), seenPods.get(name)))
        .forEach(
            pod ->
                budgets.values().stream()
                    .filter(it -> isUnder(it, pod))
                    .forEach(it -> toCount.add(name(it))));
    seenPods.clear();
    seenPods.putAll(now);
  }

  /// It counts what it has seen.
  void countSeen() {
    if (!countsLate) {
      toCount.addAll(budgets.keySet());
    }
    budgets.values().stream().filter(it -> toCount.remove(name(it))).forEach(this::count);
  }

  /// As the Deployment and ReplicaSet controllers do: a new template replaces as many at a time as
  /// may be unavailable, those that do not run first; in a paused Deployment it replaces none.
  /// Pods that ended are none to a ReplicaSet.
  private int activeGuards() {
    return (int) guardPods.values().stream().filter(pod -> !Roster.isEnded(pod)).count();
  }

  private void replicate(Deployment deployment) {
    int replicas = GuardDeployment.replicas(deployment);
    String wanted = Drift.hash(deployment.getSpec().getTemplate());
    if (!Boolean.TRUE.equals(deployment.getSpec().getPaused())) {
      revision = wanted;
      int may =
          deployment.getSpec().getStrategy().getRollingUpdate().getMaxUnavailable().getIntVal();
      long out = guardPods.values().stream().filter(pod -> !Roster.isRunning(pod)).count();
      List<Pod> old =
          inOrderOfDeletion().stream().filter(pod -> !Roster.revision(pod).equals(wanted)).toList();
      old.stream()
          .filter(pod -> !Roster.isRunning(pod))
          .forEach(pod -> guardPods.remove(name(pod)));
      old.stream()
          .filter(Roster::isRunning)
          .limit(Math.max(0, may - out))
          .forEach(pod -> guardPods.remove(name(pod)));
    }
    while (activeGuards() < replicas) {
      String name = "guard-%04d".formatted(++serial);
      guardPods.put(name, guard(name, revision));
    }
    inOrderOfDeletion().stream()
        .filter(pod -> !Roster.isEnded(pod))
        .limit(Math.max(0, activeGuards() - replicas))
        .forEach(pod -> guardPods.remove(name(pod)));
    int ready = (int) guardPods.values().stream().filter(Roster::isReady).count();
    int updated =
        (int)
            guardPods.values().stream().filter(pod -> Roster.revision(pod).equals(wanted)).count();
    deployment.setStatus(
        new DeploymentStatusBuilder()
            .withReplicas(activeGuards())
            .withReadyReplicas(ready)
            .withUpdatedReplicas(updated)
            .build());
  }

  private List<Pod> inOrderOfDeletion() {
    return guardPods.values().stream()
        .sorted(
            Comparator.<Pod, Boolean>comparing(pod -> pod.getSpec().getNodeName() != null)
                .thenComparing(Roster::isRunning))
        .toList();
  }

  /// As the disruption controller does, for guards.
  private void count(PodDisruptionBudget budget) {
    boolean forGuards = !name(budget).endsWith(Made.PODS_SUFFIX);
    int healthy =
        forGuards
            ? (int)
                    seenPods.values().stream()
                        .filter(it -> isUnder(budget, it))
                        .filter(it -> !evicted.contains(name(it)))
                        .filter(Roster::isReady)
                        .count()
                + (name(budget).endsWith(Made.NODES_SUFFIX) ? lookAlikes.size() : 0)
            : Counts.nodes(follower());
    var spec = budget.getSpec();
    int expected = healthy;
    if (forGuards && spec.getMinAvailable() != null) {
      expected = (int) seenPods.values().stream().filter(it -> isUnder(budget, it)).count();
    } else if (forGuards) {
      expected = guards == null ? 0 : GuardDeployment.replicas(guards);
    }
    int desired =
        spec.getMinAvailable() != null
            ? spec.getMinAvailable().getIntVal()
            : expected - BudgetSpecs.scaled(spec.getMaxUnavailable(), expected);
    budget.setStatus(
        new PodDisruptionBudgetStatusBuilder()
            .withObservedGeneration(budget.getMetadata().getGeneration())
            .withCurrentHealthy(healthy)
            .withDesiredHealthy(desired)
            .withExpectedPods(expected)
            .withDisruptionsAllowed(Math.max(0, healthy - desired))
            .build());
  }

  private void schedule(DaemonSet daemonSet) {
    nodes.values().stream()
        .filter(node -> fits(daemonSet, node))
        .map(node -> node.getMetadata().getName())
        .forEach(node -> targetPods.computeIfAbsent("target-" + node, _ -> targetPod(node)));
    targetPods
        .values()
        .removeIf(pod -> !selects(daemonSet, nodes.get(pod.getSpec().getNodeName())));
    count(daemonSet);
    int misscheduled =
        (int)
            targetPods.values().stream()
                .filter(pod -> !fits(daemonSet, nodes.get(pod.getSpec().getNodeName())))
                .count();
    daemonSet.getStatus().setNumberMisscheduled(misscheduled);
  }

  private void count(DaemonSet daemonSet) {
    int desired = (int) nodes.values().stream().filter(node -> fits(daemonSet, node)).count();
    daemonSet.getStatus().setDesiredNumberScheduled(desired);
    daemonSet.getStatus().setCurrentNumberScheduled(desired);
    daemonSet
        .getStatus()
        .setNumberReady(
            (int)
                nodes.values().stream()
                    .filter(node -> fits(daemonSet, node))
                    .filter(node -> !emptyNodes.contains(name(node)))
                    .filter(
                        node -> !daemonSet.equals(target) || !unreadyTargets.contains(name(node)))
                    .count());
  }

  private static boolean selects(DaemonSet daemonSet, Node node) {
    Map<String, String> selector = Placement.of(daemonSet).nodeSelector();
    Map<String, String> labels = node.getMetadata().getLabels();
    return labels == null ? selector.isEmpty() : labels.entrySet().containsAll(selector.entrySet());
  }

  private static boolean fits(DaemonSet daemonSet, Node node) {
    List<Toleration> tolerations = Placement.of(daemonSet).tolerations();
    return selects(daemonSet, node)
        && node.getSpec().getTaints().stream()
            .allMatch(
                taint ->
                    tolerations.stream()
                        .anyMatch(
                            toleration ->
                                toleration.getKey() == null
                                    || toleration.getKey().equals(taint.getKey())));
  }

  /// Evicts the guard of a node as the API server would: it asks no budget for a pod that does not
  /// run.
  boolean drain(String node) {
    cordon(node);
    controllers();
    return evict(node);
  }

  /// The same, with the counts that there are now.
  boolean evict(String node) {
    Optional<Pod> guard = findGuard(node);
    boolean refused =
        guard
            .filter(Roster::isRunning)
            .flatMap(this::budget)
            .filter(it -> !Counts.isCounted(it) || it.getStatus().getDisruptionsAllowed() == 0)
            .isPresent();
    if (!refused) {
      guard
          .filter(Roster::isRunning)
          .flatMap(this::budget)
          .map(PodDisruptionBudget::getStatus)
          .ifPresent(it -> it.setDisruptionsAllowed(it.getDisruptionsAllowed() - 1));
      guard.ifPresent(pod -> guardPods.remove(name(pod)));
      guard.ifPresent(pod -> evicted.add(name(pod)));
    }
    return !refused;
  }

  /// The budget that the API server asks about this guard.
  ///
  /// @throws AssertionError when it would refuse the eviction because there are two
  Optional<PodDisruptionBudget> budget(Pod guard) {
    List<PodDisruptionBudget> asked =
        budgets.values().stream().filter(it -> isUnder(it, guard)).toList();
    if (asked.size() > 1) {
      throw new AssertionError(name(guard) + " is under more than one budget");
    }
    return asked.stream().findFirst();
  }

  private static boolean isUnder(PodDisruptionBudget budget, Pod guard) {
    Map<String, String> labels = new HashMap<>(guard.getMetadata().getLabels());
    labels.put(Made.COMPANION_UID_LABEL, "uid-companion");
    return Selectors.matches(budget.getSpec().getSelector(), labels);
  }

  /// Whether a drain of the node would get through now: nothing guards it, or its guard can be
  /// evicted.
  boolean canBeDrained(String node) {
    Pod target = targetPods.get("target-" + node);
    if (target == null || !Roster.isRunning(target)) {
      return false;
    }
    Optional<Pod> guard =
        guardPods.values().stream()
            .filter(pod -> node.equals(pod.getSpec().getNodeName()))
            .findFirst();
    Optional<PodDisruptionBudget> budget = guard.flatMap(this::budget);
    return guard.filter(Roster::isRunning).isEmpty()
        || budget.isEmpty()
        || (Counts.isCounted(budget.get()) && budget.get().getStatus().getDisruptionsAllowed() > 0);
  }

  /// A kubelet that works again: it starts what waits there.
  World mendNode(String node) {
    brokenNodes.remove(node);
    emptyNodes.remove(node);
    guardPods.values().stream()
        .filter(pod -> node.equals(pod.getSpec().getNodeName()))
        .forEach(pod -> pod.setStatus(running()));
    Optional.ofNullable(targetPods.get("target-" + node))
        .ifPresent(it -> it.setStatus(targetStatus(node)));
    return this;
  }

  /// `status Reason` of a condition of the Companion.
  String condition(String type) {
    return Conditions.find(
            Optional.ofNullable(companion.getStatus().conditions()).orElse(List.of()), type)
        .map(it -> it.getStatus() + " " + it.getReason())
        .orElse("");
  }

  /// What a condition of the Companion says.
  String message(String type) {
    return Conditions.find(
            Optional.ofNullable(companion.getStatus().conditions()).orElse(List.of()), type)
        .map(it -> it.getMessage())
        .orElse("");
  }

  /// `status Reason` of a condition of a Hold.
  String condition(String hold, String type) {
    return Optional.ofNullable(holds.get(hold).getStatus())
        .flatMap(
            it -> Conditions.find(Optional.ofNullable(it.conditions()).orElse(List.of()), type))
        .map(it -> it.getStatus() + " " + it.getReason())
        .orElse("");
  }

  /// What a condition of a Hold says.
  String message(String hold, String type) {
    return Optional.ofNullable(holds.get(hold).getStatus())
        .flatMap(
            it -> Conditions.find(Optional.ofNullable(it.conditions()).orElse(List.of()), type))
        .map(it -> it.getMessage())
        .orElse("");
  }

  DaemonSet target() {
    return Optional.ofNullable(target).orElseThrow();
  }

  DaemonSet follower() {
    return Optional.ofNullable(follower).orElseThrow();
  }

  /// A kubelet that starts no guard, from now on.
  World breakNode(String node) {
    brokenNodes.add(node);
    return this;
  }

  /// A node on which the target's pod never starts.
  World emptyNode(String node) {
    emptyNodes.add(node);
    return this;
  }

  /// Lets a guard that runs be ready, or not be so.
  void ready(Pod guard, boolean ready) {
    if (Roster.isRunning(guard)) {
      guard.setStatus(ready ? running() : new PodStatusBuilder().withPhase("Running").build());
      guard.getMetadata().setResourceVersion("v" + ++versions);
    }
  }

  Pod guardOn(String node) {
    return findGuard(node).orElseThrow();
  }

  Optional<Pod> findGuard(String node) {
    return guardPods.values().stream()
        .filter(pod -> node.equals(pod.getSpec().getNodeName()))
        .findFirst();
  }

  Set<String> guardedNodes() {
    return guardPods.values().stream()
        .map(pod -> pod.getSpec().getNodeName())
        .filter(node -> node != null)
        .collect(Collectors.toSet());
  }

  /// Everything that matters for whether two worlds are the same: not when, and not under which
  /// names.
  String state() {
    return Serialization.asYaml(
        List.of(
            guards == null ? "none" : guards.getSpec(),
            budgets.values().stream().map(PodDisruptionBudget::getSpec).toList(),
            guardedNodes().stream().sorted().toList(),
            guardPods.size(),
            follower == null ? "none" : Placement.of(follower),
            companion.getStatus() == null
                ? "none"
                : Optional.ofNullable(companion.getStatus().conditions()).orElse(List.of()).stream()
                    .map(it -> it.getType() + it.getStatus() + it.getReason() + it.getMessage())
                    .toList()));
  }

  private Pod targetPod(String node) {
    Pod pod =
        new PodBuilder()
            .withNewMetadata()
            .withNamespace("storage")
            .withName("target-" + node)
            .addNewOwnerReference()
            .withUid("uid-target")
            .endOwnerReference()
            .endMetadata()
            .withNewSpec()
            .withNodeName(node)
            .endSpec()
            .build();
    pod.setStatus(
        emptyNodes.contains(node)
            ? new PodStatusBuilder().withPhase("Pending").build()
            : targetStatus(node));
    return pod;
  }

  /// A pod of the guards' Deployment, without a node.
  static Pod guard(String name, String revision) {
    return new PodBuilder()
        .withNewMetadata()
        .withNamespace("storage")
        .withName(name)
        .withUid("uid-" + name)
        .withLabels(Made.guardLabels("agent"))
        .addToLabels(Made.REVISION_LABEL, revision)
        .withCreationTimestamp("2026-11-24T00:00:00Z")
        .addNewOwnerReference()
        .withController(true)
        .withKind("ReplicaSet")
        .withName("agent-guards-" + revision)
        .endOwnerReference()
        .endMetadata()
        .withNewSpec()
        .endSpec()
        .withNewStatus()
        .withPhase("Pending")
        .endStatus()
        .build();
  }

  static PodStatus running() {
    return new PodStatusBuilder()
        .withPhase("Running")
        .addNewCondition()
        .withType("Ready")
        .withStatus("True")
        .endCondition()
        .build();
  }

  private static boolean isOn(Pod pod, Set<String> nodes) {
    return pod.getSpec().getNodeName() != null && nodes.contains(pod.getSpec().getNodeName());
  }

  private static String name(HasMetadata object) {
    return object.getMetadata().getName();
  }
}
