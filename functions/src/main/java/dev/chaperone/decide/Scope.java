package dev.chaperone.decide;

import org.jspecify.annotations.Nullable;

/// Which namespaces Chaperone serves.
///
/// @param only the one; absent: all of them
public record Scope(@Nullable String only) {
  public static final Scope CLUSTER = new Scope(null);

  /// Whether Companions, their targets and everything made for them may be in this namespace.
  public boolean covers(String namespace) {
    return only == null || only.equals(namespace);
  }
}
