package dev.chaperone.decide;

import java.util.Map;

/// An observed object, as an expression may read it.
public sealed interface Observation {

  /// It is there.
  ///
  /// @param object as JSON
  record Seen(Map<String, Object> object) implements Observation {}

  /// It is known not to be there, which is a fact; the message says which object.
  record Absent(String message) implements Observation {}

  /// It cannot be read, so that nothing is known of it; the message says why and what to do.
  record Unreadable(String message) implements Observation {}
}
