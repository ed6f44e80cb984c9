package dev.chaperone.decide;

import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Why somebody looks again, as far as it says where to look.
///
/// @param pulse everything is to be looked at, and what a kubelet refused is to be tried again
/// @param deletedNodes names of nodes that are said to be gone
public record Occasion(boolean pulse, Set<String> deletedNodes) {
  public static final Occasion PULSE = new Occasion(true, Set.of());

  /// Something is not as it was.
  public static final Occasion CHANGE = new Occasion(false, Set.of());

  /// The object is said to be gone.
  public static Occasion deletion(ObjectRef object) {
    return object.kind().equals("Node") ? new Occasion(false, Set.of(object.name())) : CHANGE;
  }

  /// The same, where all that only a pulse looks at is known to make no difference.
  public Occasion withoutPulse() {
    return new Occasion(false, deletedNodes);
  }

  /// Both at once.
  public Occasion and(Occasion other) {
    return new Occasion(
        pulse || other.pulse,
        Stream.concat(deletedNodes.stream(), other.deletedNodes.stream())
            .collect(Collectors.toUnmodifiableSet()));
  }
}
