package dev.chaperone.reflectors;

import dev.chaperone.reflectors.Snapshot.Node;
import dev.chaperone.reflectors.Snapshot.Peer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;

/// What is to be written now, in this order: new route reflectors, their BGPPeers, and, once all
/// that a zone is to have are established, the BGPPeers of others and their labels.
///
/// No change takes a session from a node that keeps fewer than two others. What must wait is in a
/// later plan, of a later look.
///
/// @param changes in this order; only [Change.Unlabel] relies on others of the same plan
record TopologyPlan(List<Change> changes) {
  /// With as many, a node keeps its routes while one of them is away.
  static final int ENOUGH = 2;

  static TopologyPlan of(Snapshot seen) {
    Topology topology = Topology.of(seen);
    Established established = new Established(seen, topology);
    List<Change> changes = new ArrayList<>();
    Map<String, String> ids = label(seen, topology, changes);
    Map<String, Peering> wanted = peerings(seen, topology, ids);
    write(seen, wanted, changes);
    Set<String> left = takeAway(seen, topology, established, wanted, changes);
    unlabel(seen, topology, established, left, changes);
    RouteReflectorsStatus status = TopologyStatus.of(seen, topology, established);
    if (!status.equals(seen.status())) {
      changes.add(new Change.Report(status));
    }
    return new TopologyPlan(List.copyOf(changes));
  }

  /// Without the status.
  boolean isSettled() {
    return changes.stream().allMatch(Change.Report.class::isInstance);
  }

  /// @return the cluster ID of each that is to be a route reflector, by the node's name
  private static Map<String, String> label(Snapshot seen, Topology topology, List<Change> changes) {
    ClusterIds free = ClusterIds.of(seen);
    Map<String, String> ids = new LinkedHashMap<>();
    for (Node node : topology.reflectors()) {
      String id = node.reflectorId().orElseGet(() -> free.take(node.name()));
      ids.put(node.name(), id);
      if (!node.isReflector() || !id.equals(node.clusterId())) {
        changes.add(new Change.Label(node, id));
      }
    }
    return ids;
  }

  private static Map<String, Peering> peerings(
      Snapshot seen, Topology topology, Map<String, String> ids) {
    Map<String, Peering> wanted = new LinkedHashMap<>();
    wanted.put(Peering.MESH.name(), Peering.MESH);
    for (Topology.Zone zone : topology.zones()) {
      for (Node reflector : zone.reflectors()) {
        String id = ids.getOrDefault(reflector.name(), "");
        Peering peering = Peering.of(seen.spec().topologyKey(), zone.name(), id);
        wanted.put(peering.name(), peering);
      }
    }
    return wanted;
  }

  private static void write(Snapshot seen, Map<String, Peering> wanted, List<Change> changes) {
    Map<String, Peer> peers =
        seen.peers().stream().collect(Collectors.toMap(Peer::name, Function.identity()));
    wanted.forEach(
        (name, peering) -> {
          Peer peer = peers.get(name);
          if (peer == null) {
            changes.add(new Change.CreatePeer(peering));
          } else if (!peer.peering().equals(peering)) {
            changes.add(new Change.CorrectPeer(peer, peering));
          }
        });
  }

  /// @return Calico's selectors of the route reflectors that still have a BGPPeer
  private static Set<String> takeAway(
      Snapshot seen,
      Topology topology,
      Established established,
      Map<String, Peering> wanted,
      List<Change> changes) {
    Set<String> left = new HashSet<>();
    for (Peer peer : seen.peers()) {
      if (!wanted.containsKey(peer.name()) && mayGo(peer, seen, topology, established)) {
        changes.add(new Change.DeletePeer(peer));
      } else {
        left.add(peer.peering().peerSelector());
      }
    }
    wanted.values().forEach(it -> left.add(it.peerSelector()));
    return left;
  }

  private static boolean mayGo(
      Peer peer, Snapshot seen, Topology topology, Established established) {
    boolean isOfNobody =
        seen.nodes().stream()
            .flatMap(it -> it.reflectorId().stream())
            .noneMatch(id -> Peering.peersOf(id).equals(peer.peering().peerSelector()));
    String key = seen.spec().topologyKey();
    Optional<Topology.Zone> zone =
        topology.zones().stream()
            .filter(it -> Peering.nodesOf(key, it.name()).equals(peer.peering().nodeSelector()))
            .findFirst();
    return isOfNobody
        || zone.map(established::in)
            // It is of another topology key, or of a zone without nodes.
            .orElseGet(established::everywhere);
  }

  /// One without a BGPPeer still has sessions with all other route reflectors, in every zone: from
  /// then on, neither it nor they have these.
  private static void unlabel(
      Snapshot seen,
      Topology topology,
      Established established,
      Set<String> left,
      List<Change> changes) {
    if (!established.everywhere()) {
      return;
    }
    Set<String> wanted = topology.reflectors().stream().map(Node::name).collect(Collectors.toSet());
    seen.nodes().stream()
        .filter(it -> it.labels().containsKey(Peering.LABEL) && !wanted.contains(it.name()))
        .filter(it -> it.reflectorId().map(id -> !left.contains(Peering.peersOf(id))).orElse(true))
        .forEach(it -> changes.add(new Change.Unlabel(it)));
  }
}
