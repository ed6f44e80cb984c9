package dev.chaperone.reflectors;

import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.zip.CRC32;

/// Which nodes have BGP sessions with which route reflectors: a BGPPeer.
///
/// Calico makes one session of all BGPPeers that are about the same two nodes, so peerings may
/// overlap, and one can be exchanged for another without an interruption.
///
/// @param name of the BGPPeer: of the zone, the cluster ID and the selector. So other nodes, or
///     another route reflector, are another BGPPeer, with an age of its own
/// @param nodeSelector Calico's selector of the nodes
/// @param peerSelector Calico's selector of the route reflectors
record Peering(String name, String nodeSelector, String peerSelector) {
  /// The label of a route reflector. Its value is the cluster ID.
  static final String LABEL = "chaperone.dev/route-reflector";

  private static final int ZONE_IN_NAME = 63;

  /// Each route reflector with all others.
  static final Peering MESH =
      new Peering("chaperone-reflectors", "has(%s)".formatted(LABEL), "has(%s)".formatted(LABEL));

  /// All nodes of a zone with one route reflector.
  static Peering of(String topologyKey, String zone, String clusterId) {
    String nodes = nodesOf(topologyKey, zone);
    CRC32 hash = new CRC32();
    hash.update(nodes.getBytes(StandardCharsets.UTF_8));
    return new Peering(
        "chaperone-%s-%s-%08x".formatted(readable(zone), clusterId, hash.getValue()),
        nodes,
        peersOf(clusterId));
  }

  /// Calico's selector of a zone's nodes.
  static String nodesOf(String topologyKey, String zone) {
    return zone.isEmpty()
        ? "!has(%s)".formatted(topologyKey)
        : "%s == '%s'".formatted(topologyKey, zone);
  }

  /// Calico's selector of one route reflector.
  static String peersOf(String clusterId) {
    return "%s == '%s'".formatted(LABEL, clusterId);
  }

  /// For people: what makes the name unique is the hash.
  private static String readable(String zone) {
    String plain = zone.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-");
    plain = plain.replaceAll("^-|-$", "");
    return plain.isEmpty() ? "no-zone" : plain.substring(0, Math.min(plain.length(), ZONE_IN_NAME));
  }
}
