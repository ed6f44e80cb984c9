package dev.chaperone.decide;

import java.util.List;
import java.util.stream.Collectors;

/// What one condition says, in the words of the status, the log line and the Kubernetes Event.
///
/// @param reason for machines and for `kubectl get`
/// @param message for a person: which object, what was seen, what to do
record Finding(Status status, Reason reason, String message) {
  /// So many reasons, pods or nodes are named; a message is read at 3 a.m. and has room for 32,768
  /// characters.
  static final int NAMED = 5;

  /// As Kubernetes spells a condition's status.
  enum Status {
    True,
    False,
    Unknown
  }

  static Finding good(Reason reason, String message) {
    return new Finding(Status.True, reason, message);
  }

  static Finding bad(Reason reason, String message) {
    return new Finding(Status.False, reason, message);
  }

  static Finding unknown(Reason reason, String message) {
    return new Finding(Status.Unknown, reason, message);
  }

  boolean good() {
    return status == Status.True;
  }

  /// The first of them, and how many more there are.
  static String named(List<String> all, String separator) {
    String named = all.stream().limit(NAMED).collect(Collectors.joining(separator));
    return all.size() > NAMED ? named + separator + "and " + (all.size() - NAMED) + " more" : named;
  }
}
