package dev.chaperone.cluster;

import dev.chaperone.api.Hold;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.KnownFacts;
import java.util.Map;
import java.util.Optional;
import java.util.SortedSet;

/// Whom an event concerns.
///
/// @param hold the Hold that the event is about, if it is about one that exists
/// @param known what was read of some of the Companions on the way
public record Concern(
    SortedSet<CompanionRef> companions, Optional<Hold> hold, Map<CompanionRef, KnownFacts> known) {

  public Concern(SortedSet<CompanionRef> companions) {
    this(companions, Optional.empty(), Map.of());
  }
}
