package dev.chaperone.functions;

import dev.chaperone.decide.CompanionRef;

/// The data of a reply: the same words as in the status.
///
/// @param reason CamelCase, as in the DisruptionAllowed condition
public record Answer(
    String namespace, String companion, boolean allowed, String reason, String message) {
  CompanionRef ref() {
    return new CompanionRef(namespace, companion);
  }
}
