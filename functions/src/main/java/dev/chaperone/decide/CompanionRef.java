package dev.chaperone.decide;

/// Namespace and name of a [dev.chaperone.api.Companion].
public record CompanionRef(String namespace, String name) implements Comparable<CompanionRef> {
  @Override
  public int compareTo(CompanionRef other) {
    return toString().compareTo(other.toString());
  }

  @Override
  public String toString() {
    return namespace + "/" + name;
  }
}
