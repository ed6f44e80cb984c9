package dev.chaperone.reflectors;

import dev.chaperone.reflectors.Snapshot.Node;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Which nodes are to be route reflectors, and of which zones. Those that are stay, as long as they
/// are suitable.
final class Topology {
  private final Snapshot seen;
  private final List<Zone> zones;

  /// One zone as it is to be.
  ///
  /// @param lost none of its nodes is Ready. As when Kubernetes evicts nothing from such a zone,
  ///     the fault may be in between: what is there stays
  /// @param own its nodes that are to be route reflectors
  /// @param reflectors those that serve its nodes: its own, and where these are too few, others
  record Zone(String name, List<Node> nodes, boolean lost, List<Node> own, List<Node> reflectors) {}

  private Topology(Snapshot seen) {
    this.seen = seen;
    String key = seen.spec().topologyKey();
    Map<String, List<Node>> nodes =
        seen.nodes().stream()
            .collect(Collectors.groupingBy(it -> it.zone(key), TreeMap::new, Collectors.toList()));
    List<Zone> alone = new ArrayList<>();
    nodes.forEach((name, members) -> alone.add(alone(name, members)));
    this.zones = withHelp(alone);
  }

  static Topology of(Snapshot seen) {
    return new Topology(seen);
  }

  /// Sorted by name.
  List<Zone> zones() {
    return zones;
  }

  /// All nodes that are to be route reflectors.
  List<Node> reflectors() {
    return zones.stream().flatMap(it -> it.own().stream()).toList();
  }

  private Zone alone(String name, List<Node> nodes) {
    boolean lost = nodes.stream().noneMatch(Node::ready);
    List<Node> own = lost ? nodes.stream().filter(Node::isReflector).toList() : choose(nodes);
    return new Zone(name, nodes, lost, own, own);
  }

  private List<Node> choose(List<Node> nodes) {
    List<Node> suitable = nodes.stream().filter(seen::isSuitable).sorted(Node.BY_AGE).toList();
    List<Node> present = suitable.stream().filter(Node::isReflector).toList();
    List<Node> others = suitable.stream().filter(it -> !it.isReflector()).toList();
    // A few nodes more or fewer around a multiple of the ratio are no reason to take one away.
    int slack = Math.ceilDiv(seen.spec().nodesPerReflector(), 10);
    List<Node> chosen = new ArrayList<>(first(present, wanted(nodes.size() + slack)));
    chosen.addAll(first(others, wanted(nodes.size()) - chosen.size()));
    return chosen;
  }

  private int wanted(int nodes) {
    RouteReflectorsSpec spec = seen.spec();
    return Math.clamp(
        Math.ceilDiv(nodes, spec.nodesPerReflector()), spec.minPerZone(), spec.maxPerZone());
  }

  private static List<Node> first(List<Node> nodes, int count) {
    return nodes.subList(0, Math.clamp(count, 0, nodes.size()));
  }

  /// Gives zones with too few suitable nodes route reflectors of others: those that they have
  /// already, then those that help the fewest zones.
  private List<Zone> withHelp(List<Zone> alone) {
    Set<String> written =
        seen.peers().stream()
            .map(Snapshot.Peer::name)
            .collect(Collectors.toCollection(HashSet::new));
    Map<String, Integer> helps = new HashMap<>();
    List<Zone> helped = new ArrayList<>();
    for (Zone zone : alone) {
      Comparator<Node> stays = Comparator.comparing(it -> !written.contains(nameOf(zone, it)));
      List<Node> others =
          alone.stream()
              .filter(it -> !it.lost() && !it.name().equals(zone.name()))
              .flatMap(it -> it.own().stream())
              .sorted(
                  stays
                      .thenComparing(it -> helps.getOrDefault(it.name(), 0))
                      .thenComparing(Node.BY_AGE))
              .toList();
      List<Node> help = first(others, seen.spec().minPerZone() - zone.own().size());
      help.forEach(it -> helps.merge(it.name(), 1, Integer::sum));
      helped.add(
          new Zone(
              zone.name(),
              zone.nodes(),
              zone.lost(),
              zone.own(),
              Stream.concat(zone.own().stream(), help.stream()).toList()));
    }
    return List.copyOf(helped);
  }

  private String nameOf(Zone zone, Node reflector) {
    return reflector
        .reflectorId()
        .map(id -> Peering.of(seen.spec().topologyKey(), zone.name(), id).name())
        .orElse("");
  }
}
