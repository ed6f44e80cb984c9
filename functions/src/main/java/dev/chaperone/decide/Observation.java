package dev.chaperone.decide;

import java.util.Map;

/// An observed object, as an expression may read it.
public sealed interface Observation {

  /// It is there.
  ///
  /// @param object as JSON
  record Seen(Map<String, Object> object) implements Observation {}

  /// It cannot be read, today or tomorrow, unless somebody does what the message says.
  record Unseen(String message) implements Observation {}
}
