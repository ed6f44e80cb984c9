package dev.chaperone.decide;

import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Why somebody looks again, as far as it says where to look.
///
/// @param pulse everything is to be looked at, and what a kubelet refused is to be tried again
/// @param nodes names of nodes to which something happened; any of them may be gone
public record Occasion(boolean pulse, Set<String> nodes) {
  public static final Occasion PULSE = new Occasion(true, Set.of());

  /// Something happened to the object.
  public static Occasion of(ObjectRef object) {
    return new Occasion(
        false, object.kind().equals("Node") ? Set.of(object.name()) : Set.<String>of());
  }

  /// Both at once.
  public Occasion and(Occasion other) {
    return new Occasion(
        pulse || other.pulse,
        Stream.concat(nodes.stream(), other.nodes.stream())
            .collect(Collectors.toUnmodifiableSet()));
  }
}
