package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus.GuardCount;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.DeploymentBuilder;
import io.fabric8.kubernetes.api.model.apps.DeploymentCondition;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// One guard on every node that runs a target pod.
///
/// A Deployment keeps as many guards as there are such nodes. Its pods name a scheduler that does
/// not exist, so no scheduler and no autoscaler touches one that waits; binding each to its node is
/// done here.
record GuardPlan(List<Change> changes, GuardCount count, Finding finding) {

  /// On the guards: the target's placement at which each was last seen to be where it should be.
  /// Counts alone do not show a target that moves from some nodes to as many others.
  private static final String PLACED_FOR = "chaperone.dev/placed-for";

  /// So many are bound with one event, within the time that it has. They come back as events, which
  /// bind the next.
  private static final int BINDS = 1000;

  private static final GuardCount NONE = new GuardCount(0, 0);

  static GuardPlan of(Snapshot seen) {
    Deployment guards = seen.guards();
    if (guards != null && !Made.isOurs(guards, seen.companion())) {
      return new GuardPlan(
          List.of(),
          NONE,
          Finding.bad(
              "NameTaken",
              "Deployment "
                  + guards.getMetadata().getName()
                  + " is not Chaperone's: delete it, or give the Companion another name"));
    }
    DaemonSet target = seen.target();
    if (target == null) {
      return seen.targetIsElsewhere()
          ? new GuardPlan(List.of(), NONE, seen.withoutTarget())
          : without(guards, seen.withoutTarget());
    }
    if (!seen.protects(Protect.Nodes)) {
      return without(
          guards, Finding.good("NodesNotProtected", "spec.disruption.protect does not name Nodes"));
    }
    return guard(seen, target, guards);
  }

  private static GuardPlan without(@Nullable Deployment guards, Finding finding) {
    return new GuardPlan(
        guards == null ? List.of() : List.of(new Change.Delete(guards)), NONE, finding);
  }

  private static GuardPlan guard(Snapshot seen, DaemonSet target, @Nullable Deployment guards) {
    int nodes = Snapshot.nodes(target);
    int replicas = replicas(seen, target, guards, nodes);
    List<Change> changes = new ArrayList<>();
    Deployment wanted = deployment(seen, target, replicas);
    if (guards == null || !Covers.covers(guards, wanted) || losesPriority(guards, wanted)) {
      changes.add(new Change.Apply(wanted));
    }
    List<Change> deletes = guards == null ? List.of() : deletes(seen, target, nodes);
    List<Change> binds = List.of();
    if (guards != null && seen.roster().complete()) {
      // A guard bound while its ReplicaSet shrinks could be the one that goes.
      binds = replicas < replicas(guards) ? List.of() : binds(seen, target);
    }
    changes.addAll(deletes);
    changes.addAll(binds);
    int existing =
        Optional.ofNullable(guards)
            .map(Deployment::getStatus)
            .map(status -> status.getReplicas())
            .orElse(0);
    int bound = Math.clamp(existing - seen.waiting().size() + binds.size(), 0, nodes);
    return new GuardPlan(
        changes, new GuardCount(nodes, bound), finding(seen, guards, nodes, bound));
  }

  /// Whether guards may still be where a target was before its placement changed.
  static boolean mayBeElsewhere(Deployment guards, DaemonSet target) {
    return !placementId(target).equals(placedFor(guards));
  }

  private static @Nullable String placedFor(@Nullable Deployment guards) {
    return guards == null || guards.getMetadata().getAnnotations() == null
        ? null
        : guards.getMetadata().getAnnotations().get(PLACED_FOR);
  }

  private static String placementId(DaemonSet target) {
    return Integer.toHexString(Placement.of(target).hashCode());
  }

  /// Whether every node that should run a target pod does, and has its guard or one that waits.
  private static boolean isPlaced(Snapshot seen, DaemonSet target) {
    Roster roster = seen.roster();
    return roster.complete()
        && !Snapshot.isStale(target)
        && Snapshot.everyNodeRunsIts(target)
        && roster.idle().isEmpty()
        && roster.unguardedNodes().size() <= seen.waiting().size();
  }

  /// Shrinks only by guards that wait: a ReplicaSet deletes those first. Lowering it further would
  /// delete running guards, and no budget stops that.
  private static int replicas(
      Snapshot seen, DaemonSet target, @Nullable Deployment guards, int nodes) {
    if (guards == null) {
      return nodes;
    }
    int now = replicas(guards);
    if (Snapshot.isStale(target)) {
      return now;
    }
    return nodes >= now ? nodes : Math.max(nodes, now - seen.waiting().size());
  }

  static int replicas(Deployment guards) {
    Integer replicas = guards.getSpec().getReplicas();
    return replicas == null ? 1 : replicas;
  }

  private static List<Change> deletes(Snapshot seen, DaemonSet target, int nodes) {
    Roster roster = seen.roster();
    if (!roster.complete()) {
      return delete(roster.vanished().stream());
    }
    int surplus = roster.guardedNodes().size() - nodes;
    int uncovered = roster.unguardedNodes().size() - seen.waiting().size();
    // Deleted only where there are too many, or where another node has none coming.
    int idle = Snapshot.isStale(target) ? 0 : Math.max(surplus, uncovered);
    return delete(
        Stream.of(
                roster.vanished().stream(),
                roster.doubled().stream(),
                roster.idle().stream().limit(Math.max(0, idle)),
                seen.pulse() ? roster.refused().stream() : Stream.<Pod>empty())
            .flatMap(pods -> pods));
  }

  private static List<Change> delete(Stream<Pod> guards) {
    return guards.distinct().<Change>map(Change.Delete::new).toList();
  }

  private static List<Change> binds(Snapshot seen, DaemonSet target) {
    Roster roster = seen.roster();
    Set<String> admitted = admitted(seen, target);
    Map<String, Iterator<String>> nodes = new HashMap<>();
    List<Change> binds = new ArrayList<>();
    Set<String> taken = new HashSet<>();
    seen.waiting().stream()
        .sorted(Comparator.comparing(pod -> pod.getMetadata().getName()))
        .forEach(
            guard -> {
              Iterator<String> next =
                  nodes.computeIfAbsent(
                      Roster.revision(guard),
                      _ ->
                          roster.nodesFor(guard).stream()
                              .filter(admitted::contains)
                              .sorted()
                              .iterator());
              while (next.hasNext()) {
                String node = next.next();
                if (taken.add(node)) {
                  binds.add(new Change.Bind(guard, node));
                  break;
                }
              }
            });
    return binds.stream().limit(BINDS).toList();
  }

  private static Set<String> admitted(Snapshot seen, DaemonSet target) {
    // Bound again at once it would be refused again at once: it waits for a pulse.
    Set<String> refusing =
        seen.pulse()
            ? Set.of()
            : seen.roster().refused().stream().map(Roster::nodeOf).collect(Collectors.toSet());
    return seen.roster().nodes().stream()
        .filter(node -> Taints.admitGuard(node, target))
        .map(node -> node.getMetadata().getName())
        .filter(name -> !refusing.contains(name))
        .collect(Collectors.toSet());
  }

  private static Finding finding(Snapshot seen, @Nullable Deployment guards, int nodes, int bound) {
    Optional<String> forbidden =
        Optional.ofNullable(guards)
            .flatMap(deployment -> condition(deployment, "ReplicaFailure"))
            .filter(condition -> "True".equals(condition.getStatus()))
            .map(DeploymentCondition::getMessage);
    if (forbidden.isPresent()) {
      return Finding.bad("GuardsForbidden", "Guard pods cannot be made: " + forbidden.get());
    }
    List<Pod> refused = seen.roster().refused();
    if (!refused.isEmpty() && bound < nodes) {
      Pod pod = refused.getFirst();
      return Finding.bad(
          "GuardRefused",
          "Node %s refused its guard %s (%s); tried again at the next pulse"
              .formatted(
                  pod.getSpec().getNodeName(),
                  pod.getMetadata().getName(),
                  Optional.ofNullable(pod.getStatus().getMessage())
                      .orElse(pod.getStatus().getReason())));
    }
    if (bound < nodes) {
      return Finding.bad(
          "GuardsWaiting",
          (nodes - bound)
              + " of "
              + nodes
              + " guards wait for their node: it is cordoned, tainted, or does not run its target"
              + " pod yet");
    }
    return Finding.good("EveryNodeGuarded", "Every node that runs a target pod has a guard");
  }

  private static Optional<DeploymentCondition> condition(Deployment deployment, String type) {
    return Stream.ofNullable(deployment.getStatus())
        .flatMap(status -> status.getConditions().stream())
        .filter(condition -> type.equals(condition.getType()))
        .findFirst();
  }

  private static boolean losesPriority(Deployment actual, Deployment wanted) {
    return !Objects.equals(priority(actual), priority(wanted));
  }

  private static @Nullable String priority(Deployment deployment) {
    return deployment.getSpec().getTemplate().getSpec().getPriorityClassName();
  }

  private static Deployment deployment(Snapshot seen, DaemonSet target, int replicas) {
    Map<String, String> labels = Made.guardLabels(seen.ref().name());
    ObjectMeta metadata = Made.metadata(seen.companion(), Made.GUARDS_SUFFIX);
    String placedFor = isPlaced(seen, target) ? placementId(target) : placedFor(seen.guards());
    if (placedFor != null) {
      metadata.setAnnotations(Map.of(PLACED_FOR, placedFor));
    }
    return new DeploymentBuilder()
        .withMetadata(metadata)
        .withNewSpec()
        .withReplicas(replicas)
        .withNewSelector()
        .withMatchLabels(labels)
        .endSelector()
        .withNewStrategy()
        .withType("RollingUpdate")
        .withNewRollingUpdate()
        // New guards wait beside the old ones and take over all at once: no node goes unguarded in
        // a rollout.
        .withNewMaxSurge("100%")
        .withNewMaxUnavailable(0)
        .endRollingUpdate()
        .endStrategy()
        .withNewTemplate()
        .withNewMetadata()
        .addToLabels(Made.MANAGED)
        .addToLabels(labels)
        .endMetadata()
        .withNewSpec()
        .withSchedulerName("chaperone")
        .withPriorityClassName(target.getSpec().getTemplate().getSpec().getPriorityClassName())
        .withTolerations(Taints.guardTolerations(target))
        .withAutomountServiceAccountToken(false)
        .withEnableServiceLinks(false)
        .withNewSecurityContext()
        .withRunAsNonRoot(true)
        .withRunAsUser(65535L)
        .withNewSeccompProfile()
        .withType("RuntimeDefault")
        .endSeccompProfile()
        .endSecurityContext()
        .addNewContainer()
        .withName("guard")
        .withImage(seen.guardImage())
        .withNewSecurityContext()
        .withAllowPrivilegeEscalation(false)
        .withReadOnlyRootFilesystem(true)
        .withNewCapabilities()
        .withDrop("ALL")
        .endCapabilities()
        .endSecurityContext()
        .endContainer()
        .endSpec()
        .endTemplate()
        .endSpec()
        .build();
  }
}
