package dev.chaperone.decide;

/// An object that an event is about. Untrusted: a hint where to look, nothing more.
///
/// @param namespace empty for objects that have none, as Nodes
public record ObjectRef(String kind, String namespace, String name) {
  public boolean isNamed(String thisNamespace, String thisName) {
    return namespace.equals(thisNamespace) && name.equals(thisName);
  }

  @Override
  public String toString() {
    return kind + " " + (namespace.isEmpty() ? "" : namespace + "/") + name;
  }
}
