package dev.chaperone.cluster;

import dev.chaperone.api.Hold;
import dev.chaperone.decide.CompanionRef;
import java.util.Optional;
import java.util.SortedSet;

/// Whom an event concerns.
///
/// @param hold the Hold that the event is about, if it is about one that exists
public record Concern(SortedSet<CompanionRef> companions, Optional<Hold> hold) {}
