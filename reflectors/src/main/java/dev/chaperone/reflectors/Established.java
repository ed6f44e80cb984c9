package dev.chaperone.reflectors;

import dev.chaperone.reflectors.Snapshot.Node;
import dev.chaperone.reflectors.Snapshot.Peer;
import dev.chaperone.reflectors.Snapshot.Sessions;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Which route reflectors have the sessions that they are to have. A CalicoNodeStatus of their node
/// says so; where there is none, they have had time enough.
final class Established {
  private static final int MAX_NAMES = 3;

  private final Snapshot seen;
  private final Topology topology;
  private final Map<String, Peer> peers;

  Established(Snapshot seen, Topology topology) {
    this.seen = seen;
    this.topology = topology;
    this.peers = seen.peers().stream().collect(Collectors.toMap(Peer::name, Function.identity()));
  }

  /// Whether the nodes of a zone need no route reflectors but these: they are enough, all of them
  /// are established, and no node has just come and has its sessions still to make.
  boolean in(Topology.Zone zone) {
    return zone.reflectors().size() >= TopologyPlan.ENOUGH
        && zone.reflectors().stream().allMatch(it -> missing(zone, it).isEmpty())
        && zone.nodes().stream().filter(Node::ready).noneMatch(it -> isSettling(it.readySince()));
  }

  /// The same for every zone that is not lost.
  boolean everywhere() {
    return topology.zones().stream().filter(it -> !it.lost()).allMatch(this::in);
  }

  /// What a route reflector of a zone waits for, for people.
  Optional<String> missing(Topology.Zone zone, Node reflector) {
    if (!reflector.ready()) {
      return Optional.of("node " + reflector.name() + " is not Ready");
    }
    String id = reflector.reflectorId().orElse("");
    Peering peering = Peering.of(seen.spec().topologyKey(), zone.name(), id);
    Peer peer = peers.get(peering.name());
    if (!id.equals(reflector.clusterId()) || peer == null || !peer.peering().equals(peering)) {
      return Optional.of(reflector.name() + " is new");
    }
    Sessions sessions = seen.sessions().get(reflector.name());
    return sessions == null
        ? tooSoon(reflector, peer)
        : withoutSession(zone, reflector, peer, sessions);
  }

  private Optional<String> tooSoon(Node reflector, Peer peer) {
    Instant since =
        peer.written().isAfter(reflector.readySince()) ? peer.written() : reflector.readySince();
    return isSettling(since)
        ? Optional.of(
            "%s is in settlePeriod until %s"
                .formatted(reflector.name(), since.plus(seen.spec().settleTime())))
        : Optional.empty();
  }

  private boolean isSettling(Instant since) {
    return seen.now().isBefore(since.plus(seen.spec().settleTime()));
  }

  /// Those that are not Ready cannot have any.
  private Optional<String> withoutSession(
      Topology.Zone zone, Node reflector, Peer peer, Sessions sessions) {
    if (sessions.updated().isBefore(peer.written())) {
      return Optional.of(
          "CalicoNodeStatus of %s is of %s, before its BGPPeer"
              .formatted(reflector.name(), sessions.updated()));
    }
    List<String> without =
        Stream.concat(zone.nodes().stream(), topology.reflectors().stream())
            .filter(it -> it.ready() && !it.name().equals(reflector.name()))
            .filter(it -> it.address() != null && !sessions.established().contains(it.address()))
            .map(Node::name)
            .distinct()
            .sorted()
            .toList();
    return without.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "%s has no session with %s%s"
                .formatted(
                    reflector.name(),
                    String.join(", ", without.subList(0, Math.min(MAX_NAMES, without.size()))),
                    without.size() > MAX_NAMES
                        ? " and %d more".formatted(without.size() - MAX_NAMES)
                        : ""));
  }
}
