package dev.chaperone.decide;

/// One condition's verdict, in the words of the status, the log line and the Kubernetes Event.
///
/// @param reason CamelCase, one of a fixed set, for machines and for `kubectl get`
/// @param message for a person: which object, what was seen, what to do
record Finding(boolean good, String reason, String message) {
  static Finding good(String reason, String message) {
    return new Finding(true, reason, message);
  }

  static Finding bad(String reason, String message) {
    return new Finding(false, reason, message);
  }
}
