package dev.chaperone.reflectors;

import dev.chaperone.reflectors.Snapshot.Node;
import dev.chaperone.reflectors.Snapshot.Peer;
import dev.chaperone.reflectors.Snapshot.Sessions;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// A cluster with Calico in memory, on which changes are written one by one, and in which BGP
/// sessions take a time to be established, as `confd` makes them of labels and BGPPeers.
final class SampleCluster {
  static final String ZONE = "topology.kubernetes.io/zone";

  /// How long a session takes at most until it is established. Shorter than settlePeriod, which is
  /// what settlePeriod is for.
  static final Duration SLOWEST = Duration.ofSeconds(40);

  RouteReflectorsSpec spec = spec(20, 3, 10);
  Instant now = Instant.parse("2026-01-01T00:00:00Z");

  private final Map<String, Node> nodes = new TreeMap<>();
  private final Map<String, Peer> peers = new TreeMap<>();

  /// Since when each session is wanted by both ends: "client reflector".
  private final Map<String, Instant> sessions = new HashMap<>();

  private final Set<String> observed = new HashSet<>();
  private @Nullable RouteReflectorsStatus status;
  private int version;
  private int address;

  static RouteReflectorsSpec spec(int nodesPerReflector, int min, int max) {
    return new RouteReflectorsSpec(null, ZONE, nodesPerReflector, min, max, "244.0", "60s");
  }

  /// Three zones, a to c, with so many nodes in each.
  static SampleCluster ofThreeZones(int nodesPerZone) {
    SampleCluster cluster = new SampleCluster();
    for (String zone : List.of("a", "b", "c")) {
      cluster.add(zone, nodesPerZone);
    }
    return cluster;
  }

  /// Adds nodes, named after their zone and numbered.
  void add(String zone, int count) {
    for (int added = 0, number = 1; added < count; number++) {
      String name = "%s%02d".formatted(zone, number);
      if (!nodes.containsKey(name)) {
        address++;
        nodes.put(
            name,
            new Node(
                name,
                nextVersion(),
                now,
                Map.of(ZONE, zone),
                null,
                "10.0.%d.%d".formatted(address >> 8, address & 0xff),
                true,
                now,
                true));
        added++;
      }
    }
    connect();
  }

  void remove(String name) {
    nodes.remove(name);
    connect();
  }

  void cordon(String name, boolean cordoned) {
    Node node = node(name);
    put(with(node, node.labels(), node.clusterId(), node.ready(), node.readySince(), !cordoned));
  }

  void setReady(String name, boolean ready) {
    Node node = node(name);
    if (node.ready() != ready) {
      put(with(node, node.labels(), node.clusterId(), ready, now, node.schedulable()));
    }
  }

  void setReadyInZone(String zone, boolean ready) {
    List.copyOf(nodes.values()).stream()
        .filter(it -> it.zone(ZONE).equals(zone))
        .forEach(it -> setReady(it.name(), ready));
  }

  void label(String name, String key, @Nullable String value) {
    Node node = node(name);
    Map<String, String> labels = new HashMap<>(node.labels());
    if (value == null) {
      labels.remove(key);
    } else {
      labels.put(key, value);
    }
    put(with(node, labels, node.clusterId(), node.ready(), node.readySince(), node.schedulable()));
  }

  void annotate(String name, @Nullable String clusterId) {
    Node node = node(name);
    put(with(node, node.labels(), clusterId, node.ready(), node.readySince(), node.schedulable()));
  }

  /// From now on a CalicoNodeStatus reports the sessions of the node.
  void observe(String name) {
    observed.add(name);
  }

  void pass(Duration time) {
    now = now.plus(time);
  }

  Node node(String name) {
    Node node = nodes.get(name);
    if (node == null) {
      throw new IllegalArgumentException("there is no node " + name);
    }
    return node;
  }

  List<Node> nodes() {
    return List.copyOf(nodes.values());
  }

  @Nullable RouteReflectorsStatus status() {
    return status;
  }

  Snapshot seen() {
    Map<String, Sessions> reported = new HashMap<>();
    for (String name : observed) {
      if (nodes.containsKey(name) && node(name).ready()) {
        reported.put(
            name,
            new Sessions(
                now,
                nodes.values().stream()
                    .filter(it -> isEstablished(it.name(), name) || isEstablished(name, it.name()))
                    .map(Node::address)
                    .filter(it -> it != null)
                    .collect(Collectors.toSet())));
      }
    }
    return new Snapshot(spec, 1, status, nodes(), List.copyOf(peers.values()), reported, now);
  }

  TopologyPlan plan() {
    return TopologyPlan.of(seen());
  }

  /// Looks, writes everything, lets a minute pass, and so on until nothing is left to do.
  ///
  /// @return what was written, without the status
  List<Change> settle() {
    List<Change> written = new ArrayList<>();
    for (int looks = 0; looks < 20; looks++) {
      List<Change> changes = plan().changes();
      changes.forEach(this::write);
      if (changes.isEmpty()) {
        return written;
      }
      changes.stream().filter(it -> !(it instanceof Change.Report)).forEach(written::add);
      pass(Duration.ofMinutes(1));
    }
    throw new AssertionError("it does not settle: " + plan());
  }

  void write(Change change) {
    switch (change) {
      case Change.Label label -> mark(label.node(), label.clusterId());
      case Change.Unlabel unlabel -> mark(unlabel.node(), null);
      case Change.CreatePeer create -> {
        if (peers.containsKey(create.peering().name())) {
          throw new AssertionError("there is one already: " + create);
        }
        peers.put(create.peering().name(), new Peer(nextVersion(), create.peering(), now));
      }
      case Change.CorrectPeer correct -> {
        expectVersion(correct.peer());
        peers.put(correct.peer().name(), new Peer(nextVersion(), correct.peering(), now));
      }
      case Change.DeletePeer delete -> {
        expectVersion(delete.peer());
        peers.remove(delete.peer().name());
      }
      case Change.Report report -> status = report.status();
    }
    if (!(change instanceof Change.Report)) {
      connect();
    }
  }

  /// Somebody else changes a BGPPeer.
  void change(String peer, String peerSelector) {
    Peer seen = peers.get(peer);
    if (seen == null) {
      throw new IllegalArgumentException("there is no BGPPeer " + peer);
    }
    Peering changed = new Peering(peer, seen.peering().nodeSelector(), peerSelector);
    peers.put(peer, new Peer(nextVersion(), changed, seen.written()));
    connect();
  }

  /// Names of the BGPPeers.
  Set<String> peers() {
    return peers.keySet();
  }

  /// Names of the nodes that are route reflectors for Calico.
  Set<String> reflectors() {
    return nodes.values().stream()
        .filter(it -> it.isReflector() && it.reflectorId().orElse("").equals(it.clusterId()))
        .map(Node::name)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  Set<String> reflectors(String zone) {
    return reflectors().stream()
        .filter(it -> node(it).zone(ZONE).equals(zone))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /// With which route reflectors a node has an established session. One that has any and is itself
  /// a route reflector counts too: whatever another would learn, it learns itself.
  Set<String> reflectorsOf(String node) {
    return reflectorsOf(node, reflectors());
  }

  /// With how many route reflectors each Ready node has an established session.
  Map<String, Integer> reflectorCounts() {
    Set<String> all = reflectors();
    return nodes.values().stream()
        .filter(Node::ready)
        .collect(Collectors.toMap(Node::name, it -> reflectorsOf(it.name(), all).size()));
  }

  private Set<String> reflectorsOf(String node, Set<String> all) {
    Set<String> reflectors = new TreeSet<>();
    all.stream().filter(it -> isEstablished(node, it)).forEach(reflectors::add);
    if (!reflectors.isEmpty() && all.contains(node)) {
      reflectors.add(node);
    }
    return reflectors;
  }

  private boolean isEstablished(String client, String reflector) {
    Instant since = sessions.get(client + " " + reflector);
    if (since == null || !node(client).ready() || !node(reflector).ready()) {
      return false;
    }
    // Each has a time of its own.
    long takes = Math.floorMod((client + reflector).hashCode(), SLOWEST.toSeconds());
    Instant up = later(since, later(node(client).readySince(), node(reflector).readySince()));
    return !now.isBefore(up.plusSeconds(takes));
  }

  private static Instant later(Instant one, Instant other) {
    return one.isAfter(other) ? one : other;
  }

  private void mark(Node seen, @Nullable String clusterId) {
    Node node = node(seen.name());
    if (!node.version().equals(seen.version())) {
      throw new AssertionError("decided on another version of " + seen.name());
    }
    Map<String, String> labels = new HashMap<>(node.labels());
    if (clusterId == null) {
      labels.remove(Peering.LABEL);
    } else {
      labels.put(Peering.LABEL, clusterId);
    }
    put(with(node, labels, clusterId, node.ready(), node.readySince(), node.schedulable()));
  }

  private void expectVersion(Peer seen) {
    Peer peer = peers.get(seen.name());
    if (peer == null || !peer.version().equals(seen.version())) {
      throw new AssertionError("decided on another version of " + seen.name());
    }
  }

  private void put(Node node) {
    Node before = nodes.put(node.name(), node);
    if (before == null || !before.labels().equals(node.labels())) {
      connect();
    }
  }

  private Node with(
      Node node,
      Map<String, String> labels,
      @Nullable String clusterId,
      boolean ready,
      Instant readySince,
      boolean schedulable) {
    return new Node(
        node.name(),
        nextVersion(),
        node.created(),
        labels,
        clusterId,
        node.address(),
        ready,
        readySince,
        schedulable);
  }

  /// As Calico does: a session for each pair that any BGPPeer is about, one for all of them. Those
  /// that stay are not interrupted.
  private void connect() {
    Set<String> wanted = new HashSet<>();
    for (Peer peer : peers.values()) {
      List<Node> reflectors = selected(peer.peering().peerSelector());
      if (!reflectors.isEmpty()) {
        for (Node client : selected(peer.peering().nodeSelector())) {
          reflectors.stream()
              .filter(it -> !it.name().equals(client.name()))
              .forEach(it -> wanted.add(client.name() + " " + it.name()));
        }
      }
    }
    sessions.keySet().retainAll(wanted);
    wanted.forEach(it -> sessions.putIfAbsent(it, now));
  }

  /// The few forms of Calico's selectors that are written here.
  private List<Node> selected(String selector) {
    Predicate<Node> rule;
    if (selector.startsWith("has(")) {
      String label = selector.substring(4, selector.length() - 1);
      rule = it -> it.labels().containsKey(label);
    } else if (selector.startsWith("!has(")) {
      String label = selector.substring(5, selector.length() - 1);
      rule = it -> !it.labels().containsKey(label);
    } else {
      String[] sides = selector.split(" == ", -1);
      String value = sides[1].substring(1, sides[1].length() - 1);
      rule = it -> value.equals(it.labels().get(sides[0]));
    }
    return nodes.values().stream().filter(rule).toList();
  }

  private String nextVersion() {
    version++;
    return Integer.toString(version);
  }
}
