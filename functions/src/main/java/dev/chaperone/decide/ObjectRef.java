package dev.chaperone.decide;

/// An object that an event is about. Untrusted: a hint where to look, nothing more.
///
/// @param namespace empty for objects that have none, as Nodes
public record ObjectRef(String kind, String namespace, String name) {
  @Override
  public String toString() {
    return kind + " " + (namespace.isEmpty() ? "" : namespace + "/") + name;
  }
}
