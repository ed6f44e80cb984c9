package dev.chaperone.kubectl;

/// What the API server answers to a dry run of an eviction.
sealed interface Answer {
  /// It would evict the pod now.
  record Accepted() implements Answer {}

  /// It would not.
  ///
  /// @param message in its own words
  /// @param policy whether an admission policy or webhook refuses, on which a drain ends; else it
  ///     waits
  record Refused(String message, boolean policy) implements Answer {}
}
