package dev.chaperone.decide;

import dev.chaperone.api.CompanionStatus.NodeMaintenance;
import dev.chaperone.api.CompanionStatus.NodeMaintenance.Phase;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.api.model.Taint;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Which nodes of the target somebody maintains, or is going to, by what others write on them. It
/// blocks nothing.
///
/// @param nodes for the status
/// @param turn what is announced with this status: of one node, because an event has one reply; the
///     write of the status is the event that brings the next
/// @param isUnfinished whether more is to be announced
public record Maintenance(List<NodeMaintenance> nodes, Optional<Turn> turn, boolean isUnfinished) {

  /// Conditions of KEP-5683.
  private static final Map<String, Phase> CONDITIONS =
      Map.of(
          "MaintenancePlanned", Phase.Planned,
          "MaintenanceInProgress", Phase.Started,
          "DrainInProgress", Phase.Started,
          "Drained", Phase.Started);

  /// Cluster API puts it on nodes that a rollout is going to replace.
  private static final String OUTDATED_REVISION = "node.cluster.x-k8s.io/outdated-revision";

  /// So many nodes are remembered in the status; the others are told when there is room.
  private static final int MAX_NODES = 100;

  private static final Maintenance NONE = new Maintenance(List.of(), Optional.empty(), false);

  /// What is announced of one node.
  ///
  /// @param message for people, with who says so
  public record Turn(String node, Phase phase, String message) {

    /// The phase as people read it.
    public Reason reason() {
      return switch (phase) {
        case Planned -> Reason.MaintenancePlanned;
        case Started -> Reason.MaintenanceStarted;
        case Ended -> Reason.MaintenanceEnded;
      };
    }
  }

  /// Whether a condition of a Node says something of its maintenance.
  public static boolean isOfMaintenance(NodeCondition condition) {
    return CONDITIONS.containsKey(condition.getType()) && "True".equals(condition.getStatus());
  }

  static Maintenance of(Snapshot seen) {
    if (seen.spec().maintenance() == null) {
      return NONE;
    }
    SortedMap<String, NodeMaintenance> nodes = new TreeMap<>();
    Stream.ofNullable(seen.status().maintenance())
        .flatMap(List::stream)
        .forEach(it -> nodes.put(it.node(), it));
    observe(seen, nodes);
    Optional<NodeMaintenance> next = next(nodes);
    next.ifPresent(
        it -> {
          if (it.phase() == Phase.Ended) {
            nodes.remove(it.node());
          } else {
            nodes.put(it.node(), announced(it));
          }
        });
    return new Maintenance(
        List.copyOf(nodes.values()), next.map(Maintenance::turn), next(nodes).isPresent());
  }

  private static Optional<NodeMaintenance> next(SortedMap<String, NodeMaintenance> nodes) {
    return nodes.values().stream().filter(it -> !it.announced()).findFirst();
  }

  /// Changes what was said before of the nodes that were read.
  private static void observe(Snapshot seen, SortedMap<String, NodeMaintenance> nodes) {
    Roster roster = seen.roster();
    Set<String> target =
        roster.targetPods().stream().map(Roster::nodeOf).collect(Collectors.toSet());
    for (Node node : roster.nodes().values()) {
      String name = name(node);
      Optional<NodeMaintenance> now = said(node, seen);
      NodeMaintenance before = nodes.get(name);
      if (now.isEmpty()) {
        end(before, "nothing on it says so any longer", seen, nodes);
      } else if (before != null
          ? before.phase() != now.get().phase()
          : target.contains(name) && nodes.size() < MAX_NODES) {
        nodes.put(name, now.get());
      }
    }
    if (roster.complete()) {
      List.copyOf(nodes.values()).stream()
          .filter(it -> roster.node(it.node()).isEmpty())
          .forEach(it -> end(it, "the node is gone", seen, nodes));
    }
  }

  private static void end(
      @Nullable NodeMaintenance before,
      String why,
      Snapshot seen,
      SortedMap<String, NodeMaintenance> nodes) {
    if (before != null && before.phase() != Phase.Ended) {
      nodes.put(before.node(), said(before.node(), Phase.Ended, why, seen));
    }
  }

  private static NodeMaintenance announced(NodeMaintenance it) {
    return new NodeMaintenance(it.node(), it.phase(), it.message(), it.since(), true);
  }

  private static NodeMaintenance said(String node, Phase phase, String message, Snapshot seen) {
    String now = seen.now().truncatedTo(ChronoUnit.SECONDS).toString();
    return new NodeMaintenance(node, phase, message, now, false);
  }

  /// The first thing on the node that says so, what has begun before what is planned.
  private static Optional<NodeMaintenance> said(Node node, Snapshot seen) {
    List<NodeMaintenance> all = new ArrayList<>();
    if (Roster.isCordoned(node)) {
      all.add(said(name(node), Phase.Started, "the node is cordoned", seen));
    }
    Stream.ofNullable(node.getStatus())
        .flatMap(it -> Stream.ofNullable(it.getConditions()))
        .flatMap(List::stream)
        .filter(Maintenance::isOfMaintenance)
        .map(it -> said(name(node), phase(it), "condition " + it.getType() + words(it), seen))
        .forEach(all::add);
    Taints.of(node).stream()
        .flatMap(
            taint ->
                phase(taint, seen).stream()
                    .map(it -> said(name(node), it, "taint " + taint.getKey(), seen)))
        .forEach(all::add);
    return all.stream()
        .min(
            Comparator.comparing((NodeMaintenance it) -> it.phase() == Phase.Planned)
                .thenComparing(NodeMaintenance::message));
  }

  private static Phase phase(NodeCondition condition) {
    return CONDITIONS.getOrDefault(condition.getType(), Phase.Planned);
  }

  private static Optional<Phase> phase(Taint taint, Snapshot seen) {
    if (Taints.isDraining(taint.getKey())) {
      return Optional.of(Phase.Started);
    }
    var asked = seen.spec().maintenance();
    boolean planned =
        OUTDATED_REVISION.equals(taint.getKey())
            || (asked != null && asked.plannedTaints().contains(taint.getKey()));
    return planned ? Optional.of(Phase.Planned) : Optional.empty();
  }

  private static String words(NodeCondition condition) {
    String reason = Optional.ofNullable(condition.getReason()).orElse("");
    String message = Optional.ofNullable(condition.getMessage()).orElse("");
    String words =
        Stream.of(reason, message).filter(it -> !it.isBlank()).collect(Collectors.joining(": "));
    return words.isEmpty() ? "" : Conditions.cut(" (" + words + ")");
  }

  /// What a phase means, after the name of the node.
  public static String words(Phase phase) {
    return switch (phase) {
      case Planned -> "maintenance is planned";
      case Started -> "maintenance has started";
      case Ended -> "maintenance has ended";
    };
  }

  private static Turn turn(NodeMaintenance it) {
    return new Turn(
        it.node(),
        it.phase(),
        "Node %s: %s: %s".formatted(it.node(), words(it.phase()), it.message()));
  }

  private static String name(Node node) {
    return node.getMetadata().getName();
  }
}
