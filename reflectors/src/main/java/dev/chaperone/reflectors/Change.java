package dev.chaperone.reflectors;

/// One write. Changes are written one after the other, and none after one that failed: each relies
/// on those before it.
sealed interface Change {

  /// Makes a node a route reflector: its label and Calico's annotation with the same cluster ID.
  record Label(Snapshot.Node node, String clusterId) implements Change {}

  /// Creates a BGPPeer.
  record CreatePeer(Peering peering) implements Change {}

  /// Gives a BGPPeer of ours, which somebody changed, its spec again.
  record CorrectPeer(Snapshot.Peer peer, Peering peering) implements Change {}

  /// Deletes a BGPPeer, and only the very one that was seen.
  record DeletePeer(Snapshot.Peer peer) implements Change {}

  /// Makes a node no route reflector any more.
  record Unlabel(Snapshot.Node node) implements Change {}

  /// Writes the status.
  record Report(RouteReflectorsStatus status) implements Change {}
}
