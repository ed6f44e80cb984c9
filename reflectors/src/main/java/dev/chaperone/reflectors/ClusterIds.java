package dev.chaperone.reflectors;

import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Stream;
import java.util.zip.CRC32;

/// Cluster IDs that nobody has: of a node's name, so that the same node gets the same one, unless
/// another has it or a BGPPeer is still about it.
final class ClusterIds {
  private static final int COUNT = 1 << 16;

  private final String prefix;
  private final Set<String> taken = new HashSet<>();
  private final Set<String> selected = new HashSet<>();

  private ClusterIds(String prefix) {
    this.prefix = prefix;
  }

  static ClusterIds of(Snapshot seen) {
    ClusterIds ids = new ClusterIds(seen.spec().clusterIdPrefix());
    seen.nodes().stream()
        .flatMap(it -> Stream.concat(it.reflectorId().stream(), Stream.ofNullable(it.clusterId())))
        .forEach(ids.taken::add);
    seen.peers().forEach(it -> ids.selected.add(it.peering().peerSelector()));
    return ids;
  }

  /// One for a node, which is taken from now on.
  String take(String node) {
    CRC32 hash = new CRC32();
    hash.update(node.getBytes(StandardCharsets.UTF_8));
    for (int tries = 0; tries < COUNT; tries++) {
      int number = (int) ((hash.getValue() + tries) % COUNT);
      String id = "%s.%d.%d".formatted(prefix, number >> 8, number & 0xff);
      if (!selected.contains(Peering.peersOf(id)) && taken.add(id)) {
        return id;
      }
    }
    throw new IllegalStateException("all cluster IDs of " + prefix + " are taken");
  }
}
