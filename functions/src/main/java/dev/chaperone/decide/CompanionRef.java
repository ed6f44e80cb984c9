package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.Hold;

/// Namespace and name of a [dev.chaperone.api.Companion].
public record CompanionRef(String namespace, String name) implements Comparable<CompanionRef> {
  /// What it is called.
  public static CompanionRef of(Companion companion) {
    return new CompanionRef(
        companion.getMetadata().getNamespace(), companion.getMetadata().getName());
  }

  /// The one that a Hold holds.
  public static CompanionRef of(Hold hold) {
    return new CompanionRef(
        hold.getMetadata().getNamespace(), hold.getSpec().companionRef().name());
  }

  @Override
  public int compareTo(CompanionRef other) {
    return toString().compareTo(other.toString());
  }

  @Override
  public String toString() {
    return namespace + "/" + name;
  }
}
