package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus.UnguardedNode;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.DeploymentBuilder;
import io.fabric8.kubernetes.api.model.apps.DeploymentCondition;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// One guard on every node that runs a target pod.
///
/// A Deployment keeps as many guards as there are such nodes. Its pods name a scheduler that does
/// not exist, so no scheduler and no autoscaler touches one that waits; binding each to its node is
/// done here. The Deployment is paused, so that nobody's change of its template replaces guards
/// while something holds; it is resumed when nothing else does, with its budget closed, and then
/// replaces as many at a time as may be unavailable.
///
/// @param replicas how many guards there should be, those of drained nodes included
/// @param tainted nodes with a NoSchedule taint and a guard, sorted, at most 100
record GuardPlan(List<Change> changes, Finding finding, List<String> tainted, int replicas) {

  /// On the guards: a hash of their template. What Chaperone no longer sets differs in nothing
  /// else.
  private static final String TEMPLATE = "chaperone.dev/template";

  /// So many are bound with one event, within the time that it has. They come back as events, which
  /// bind the next.
  private static final int MAX_BINDS = 1000;

  /// So many nodes are remembered in the status.
  static final int MAX_NODES_IN_STATUS = 100;

  /// So many nodes are named in a message.
  private static final int MAX_NODES_IN_MESSAGE = 5;

  static GuardPlan of(
      Snapshot seen, GuardState state, Reasons reasons, HeldNodes held, Verdict verdict) {
    Deployment guards = seen.guards();
    if (guards != null && !Made.isOurs(guards, seen.companion())) {
      return none(
          guards,
          Finding.bad(
              Reason.NameTaken,
              "Deployment %s/%s already exists and is not owned by this Companion: delete it or rename the Companion"
                  .formatted(guards.getMetadata().getNamespace(), guards.getMetadata().getName())));
    }
    if (!seen.protects(Protect.Nodes)) {
      return without(
          guards,
          Finding.good(Reason.NodesNotProtected, "spec.disruption.protect does not name Nodes"));
    }
    DaemonSet target = seen.target();
    if (target == null) {
      return reasons.targetIsGone() && verdict.allowed()
          ? without(guards, seen.withoutTarget())
          : none(guards, seen.withoutTarget());
    }
    return guard(seen, state, reasons, held, target, guards);
  }

  private static GuardPlan none(@Nullable Deployment guards, Finding finding) {
    return new GuardPlan(
        List.of(), finding, List.of(), guards == null ? 0 : GuardDeployment.replicas(guards));
  }

  private static GuardPlan without(@Nullable Deployment guards, Finding finding) {
    return new GuardPlan(
        guards == null ? List.of() : List.of(new Change.Delete(guards)), finding, List.of(), 0);
  }

  private static GuardPlan guard(
      Snapshot seen,
      GuardState state,
      Reasons reasons,
      HeldNodes held,
      DaemonSet target,
      @Nullable Deployment guards) {
    int replicas = replicas(seen, state, target, guards);
    List<Change> changes = new ArrayList<>();
    Deployment wanted = deployment(seen, state, reasons, target, replicas);
    if (guards == null) {
      changes.add(new Change.Create(wanted));
    } else if (GuardDeployment.isPaused(guards) != GuardDeployment.isPaused(wanted)
        || Drift.hasDrifted(guards, wanted)) {
      changes.add(new Change.Replace(wanted, guards));
    }
    List<Change> deletes = guards == null ? List.of() : deletes(seen, target);
    List<Change.Bind> binds = List.of();
    if (guards != null && FewNodes.showEveryNode(seen)) {
      // A guard bound while its ReplicaSet shrinks could be the one that goes.
      binds = replicas < GuardDeployment.replicas(guards) ? List.of() : binds(seen, state, held);
    }
    changes.addAll(deletes);
    changes.addAll(binds);
    return new GuardPlan(changes, finding(seen, state, guards), tainted(seen, target), replicas);
  }

  /// Whether every node that should run a target pod has one, and its guard or one that waits.
  private static boolean isPlaced(Snapshot seen, GuardState state, DaemonSet target, int replicas) {
    Roster roster = seen.roster();
    return FewNodes.showEveryNode(seen)
        && !Counts.isStale(target)
        && Counts.everyNodeRunsIts(target)
        && Counts.nodes(target) == replicas
        && roster.idle().isEmpty()
        && roster.nodesWithoutGuard().size() <= state.waiting().size();
  }

  /// Shrinks only by guards that wait: a ReplicaSet deletes those first. Lowering it further would
  /// delete running guards, and no budget stops that. So it is never lowered below those that have
  /// a node, whatever was counted of the others: of a Deployment that shrinks already, the same
  /// guards may still be seen to wait. And only who has seen every node lowers it at all.
  private static int replicas(
      Snapshot seen, GuardState state, DaemonSet target, @Nullable Deployment guards) {
    int nodes = state.count().desired();
    if (guards == null) {
      return nodes;
    }
    int now = GuardDeployment.replicas(guards);
    if (Counts.isStale(target) || !FewNodes.showEveryNode(seen)) {
      return now;
    }
    return nodes >= now || !seen.roster().complete()
        ? Math.max(nodes, now)
        : Math.min(now, Math.max(least(seen, target, nodes), seen.roster().boundGuards()));
  }

  /// For how many nodes guards are kept: also for those whose target pod is being replaced. While
  /// guards are of two templates, they have two ReplicaSets, and a Deployment shrinks the larger of
  /// them: the one whose guards run. Then only what has no node to come back to may go.
  private static int least(Snapshot seen, DaemonSet target, int nodes) {
    Roster roster = seen.roster();
    if (!isCertain(roster, target)) {
      return Integer.MAX_VALUE;
    }
    return Math.max(
        nodes,
        roster.areOfOneTemplate()
            ? roster.nodesWithTargetSince(seen.now().minus(Roster.TARGET_GRACE))
            : roster.nodesWithTargetPod() + roster.shutDown().size());
  }

  /// Whether each node that should have a target pod is known to have one: in a rollout of the
  /// target a node is without for a moment.
  private static boolean isCertain(Roster roster, DaemonSet target) {
    return !Counts.isStale(target) && roster.nodesWithTargetPod() >= Counts.nodes(target);
  }

  /// A new Deployment makes nothing while it is paused, and one whose template changed replaces
  /// nothing. So it is resumed for these two, the second only when nothing else holds.
  private static boolean paused(Reasons reasons, GuardState state, @Nullable Deployment guards) {
    if (guards == null || Counts.replicas(guards) == 0) {
      return false;
    }
    if (Counts.isStale(guards)) {
      return GuardDeployment.isPaused(guards);
    }
    return !state.outdated() || reasons.blocksBesides(Reason.GuardsUpdating);
  }

  private static List<Change> deletes(Snapshot seen, DaemonSet target) {
    Roster roster = seen.roster();
    if (!roster.complete()) {
      return delete(roster.vanished().stream());
    }
    // Deleting a guard asks no budget.
    boolean certain = isCertain(roster, target);
    return delete(
        Stream.of(
                roster.vanished().stream(),
                roster.doubled().stream(),
                certain ? roster.idle().stream() : Stream.<Pod>empty(),
                seen.pulse() ? roster.endedForGood().stream() : Stream.<Pod>empty())
            .flatMap(pods -> pods));
  }

  private static List<Change> delete(Stream<Pod> guards) {
    return guards.distinct().<Change>map(Change.Delete::new).toList();
  }

  private static List<Change.Bind> binds(Snapshot seen, GuardState state, HeldNodes held) {
    Map<String, Deque<Pod>> waiting =
        state.waiting().stream()
            .sorted(Comparator.comparing(pod -> pod.getMetadata().getName()))
            .collect(Collectors.groupingBy(held::fits, Collectors.toCollection(ArrayDeque::new)));
    List<Change.Bind> binds = new ArrayList<>();
    for (String node : seen.bindableNodes()) {
      Pod guard = waiting.getOrDefault(held.fitting(node), new ArrayDeque<>()).poll();
      if (guard != null && binds.size() < MAX_BINDS) {
        binds.add(new Change.Bind(guard, node));
      }
    }
    return binds;
  }

  /// Whoever sees one of them without a guard next time knows that it was taken away. Of nodes that
  /// were not read, what was known stays.
  private static List<String> tainted(Snapshot seen, DaemonSet target) {
    Roster roster = seen.roster();
    Set<String> before = seen.taintedNodes();
    Set<String> known = new TreeSet<>(roster.guardedNodes());
    known.addAll(before);
    Stream<String> read =
        roster.nodes().values().stream()
            .filter(node -> Taints.isForeign(node, target))
            .map(node -> node.getMetadata().getName())
            .filter(known::contains);
    Stream<String> unread =
        before.stream().filter(name -> !roster.complete() && !roster.nodes().containsKey(name));
    return Stream.concat(read, unread).sorted().limit(MAX_NODES_IN_STATUS).toList();
  }

  private static Finding finding(Snapshot seen, GuardState state, @Nullable Deployment guards) {
    Optional<String> forbidden =
        Optional.ofNullable(guards)
            .flatMap(deployment -> condition(deployment, "ReplicaFailure"))
            .filter(condition -> "True".equals(condition.getStatus()))
            .map(DeploymentCondition::getMessage);
    if (forbidden.isPresent()) {
      return Finding.bad(
          Reason.GuardsForbidden, "Guard pods cannot be created: " + forbidden.get());
    }
    List<UnguardedNode> unguarded = state.unguarded();
    if (!unguarded.isEmpty()) {
      List<Pod> ended = seen.roster().ended();
      return Finding.bad(
          ended.isEmpty() ? Reason.NodesUnguarded : Reason.GuardRefused,
          "No running guard on %d of %d nodes, so nothing blocks %s drain: %s"
              .formatted(
                  unguarded.size(),
                  state.count().desired(),
                  unguarded.size() == 1 ? "its" : "their",
                  names(unguarded)));
    }
    String drained =
        state.drained().isEmpty() ? "" : "; drained: " + String.join(", ", state.drained());
    return Finding.good(
        Reason.EveryNodeGuarded,
        "Every node that runs a target pod has a running guard (%d of %d)%s"
            .formatted(state.count().running(), state.count().desired(), drained));
  }

  /// `n4 (why), n5 (why)`, and how many more.
  static String names(List<UnguardedNode> nodes) {
    String named =
        nodes.stream()
            .limit(MAX_NODES_IN_MESSAGE)
            .map(node -> node.name() + " (" + node.message() + ")")
            .collect(Collectors.joining(", "));
    return nodes.size() > MAX_NODES_IN_MESSAGE
        ? named + " and " + (nodes.size() - MAX_NODES_IN_MESSAGE) + " more"
        : named;
  }

  private static Optional<DeploymentCondition> condition(Deployment deployment, String type) {
    return Stream.ofNullable(deployment.getStatus())
        .flatMap(status -> status.getConditions().stream())
        .filter(condition -> type.equals(condition.getType()))
        .findFirst();
  }

  /// What guards have once, they keep: an API server that does not answer is no reason to replace
  /// them.
  private static boolean respond(Snapshot seen) {
    return seen.settings().respondsToEvictions()
        && (seen.evictions().served() || GuardDeployment.haveResponder(seen.guards()));
  }

  private static Deployment deployment(
      Snapshot seen, GuardState state, Reasons reasons, DaemonSet target, int replicas) {
    ObjectMeta metadata = Made.metadata(seen.companion(), Made.GUARDS_SUFFIX);
    String placedFor =
        isPlaced(seen, state, target, replicas)
            ? GuardDeployment.placementId(target)
            : GuardDeployment.placedFor(seen.guards());
    PodTemplateSpec template =
        GuardDeployment.template(seen.companion(), seen.settings().guards(), target, respond(seen));
    Map<String, String> annotations = new TreeMap<>(Map.of(TEMPLATE, Drift.hash(template)));
    if (placedFor != null) {
      annotations.put(GuardDeployment.PLACED_FOR, placedFor);
    }
    metadata.setAnnotations(annotations);
    int atOnce = Math.max(1, BudgetSpecs.scaled(seen.disruption().maxUnavailable(), replicas));
    return new DeploymentBuilder()
        .withMetadata(metadata)
        .withNewSpec()
        .withReplicas(replicas)
        .withPaused(paused(reasons, state, seen.guards()) ? true : null)
        .withNewSelector()
        .withMatchLabels(Made.guardSelector(seen.companion()))
        .endSelector()
        .withNewStrategy()
        .withType("RollingUpdate")
        .withNewRollingUpdate()
        // A guard more than there are nodes would be counted by the budget, which would let as many
        // more go.
        .withMaxSurge(new IntOrString(0))
        .withMaxUnavailable(new IntOrString(atOnce))
        .endRollingUpdate()
        .endStrategy()
        .withTemplate(template)
        .endSpec()
        .build();
  }
}
