package dev.chaperone.decide;

import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Why somebody looks again, as far as it says where to look.
///
/// @param pulse everything is to be looked at, and what a kubelet refused is to be tried again
/// @param deletedNodes names of nodes that were deleted, according to the event
/// @param changedNodes names of nodes that are said to be new or another; only who tells of their
///     maintenance looks at them
public record Occasion(boolean pulse, Set<String> deletedNodes, Set<String> changedNodes) {
  public static final Occasion PULSE = new Occasion(true, Set.of(), Set.of());

  /// Something is not as it was.
  public static final Occasion CHANGE = new Occasion(false, Set.of(), Set.of());

  /// The event says that the object is new, or has changed.
  public static Occasion change(ObjectRef object) {
    return isNode(object) ? new Occasion(false, Set.of(), Set.of(object.name())) : CHANGE;
  }

  /// The event says that the object is gone.
  public static Occasion deletion(ObjectRef object) {
    return isNode(object) ? new Occasion(false, Set.of(object.name()), Set.of()) : CHANGE;
  }

  /// The same, where all that only a pulse looks at is known to make no difference.
  public Occasion withoutPulse() {
    return new Occasion(false, deletedNodes, changedNodes);
  }

  /// The nodes to look at by name for a Companion: those of the event, and those that are held by
  /// themselves. Where many change at once, as each does every
  /// few minutes in a large cluster, their maintenance is for the pulse: reading every node for
  /// each of these events would cost too much.
  ///
  /// @param few of how many nodes a look at each costs less than one at all
  public Set<String> nodesFor(KnownFacts known, int few) {
    Set<String> ofEvent =
        known.companion().getSpec().maintenance() == null
                || deletedNodes.size() + changedNodes.size() > few
            ? deletedNodes
            : union(deletedNodes, changedNodes);
    return union(ofEvent, Holds.heldNodes(known.companion(), known.holds()));
  }

  /// Both at once.
  public Occasion and(Occasion other) {
    return new Occasion(
        pulse || other.pulse,
        union(deletedNodes, other.deletedNodes),
        union(changedNodes, other.changedNodes));
  }

  private static boolean isNode(ObjectRef object) {
    return object.kind().equals("Node");
  }

  private static Set<String> union(Set<String> one, Set<String> other) {
    return Stream.concat(one.stream(), other.stream()).collect(Collectors.toUnmodifiableSet());
  }
}
