package dev.chaperone.decide;

import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Why somebody looks again, as far as it says where to look.
///
/// @param pulse everything is to be looked at, and what a kubelet refused is to be tried again
/// @param deletedNodes names of nodes that were deleted, according to the event
/// @param changedNodes names of nodes that are said to be new or another; only who tells of their
///     maintenance looks at them in any case
/// @param newNodes names of nodes that are said to be new, by this event or not long before: where
///     counts do not fit together, they may be the reason
public record Occasion(
    boolean pulse, Set<String> deletedNodes, Set<String> changedNodes, Set<String> newNodes) {
  public static final Occasion PULSE = new Occasion(true, Set.of(), Set.of(), Set.of());

  /// Something is not as it was.
  public static final Occasion CHANGE = new Occasion(false, Set.of(), Set.of(), Set.of());

  /// The event says that the object is new.
  public static Occasion addition(ObjectRef object) {
    return object.isNode()
        ? new Occasion(false, Set.of(), Set.of(object.name()), Set.of(object.name()))
        : CHANGE;
  }

  /// The event says that the object has changed.
  public static Occasion change(ObjectRef object) {
    return object.isNode()
        ? new Occasion(false, Set.of(), Set.of(object.name()), Set.of())
        : CHANGE;
  }

  /// The event says that the object is gone.
  public static Occasion deletion(ObjectRef object) {
    return object.isNode()
        ? new Occasion(false, Set.of(object.name()), Set.of(), Set.of())
        : CHANGE;
  }

  /// The same, where all that only a pulse looks at is known to make no difference.
  public Occasion withoutPulse() {
    return new Occasion(false, deletedNodes, changedNodes, newNodes);
  }

  /// The same, with nodes that are new since not long before.
  public Occasion withNew(Set<String> nodes) {
    return new Occasion(pulse, deletedNodes, changedNodes, union(newNodes, nodes));
  }

  /// The nodes that this event names, whatever it says of them.
  public Set<String> nodes() {
    return union(deletedNodes, changedNodes);
  }

  /// Nodes that may be without a guard.
  ///
  /// @param told those that were when last looked
  public Set<String> mayBeUnguarded(Set<String> told) {
    return union(told, union(changedNodes, newNodes));
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
    return union(ofEvent, Holds.heldNodes(known.companion(), known.holds(), known.now()));
  }

  /// Both at once.
  public Occasion and(Occasion other) {
    return new Occasion(
        pulse || other.pulse,
        union(deletedNodes, other.deletedNodes),
        union(changedNodes, other.changedNodes),
        union(newNodes, other.newNodes));
  }

  private static Set<String> union(Set<String> one, Set<String> other) {
    return Stream.concat(one.stream(), other.stream()).collect(Collectors.toUnmodifiableSet());
  }
}
