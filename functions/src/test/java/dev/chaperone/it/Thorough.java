package dev.chaperone.it;

/// How much is tried: enough for every change, or all of it with `-Dchaperone.thorough=true`.
final class Thorough {
  /// The system property.
  static final String PROPERTY = "chaperone.thorough";

  private Thorough() {}

  static int times(int always, int thorough) {
    return Boolean.getBoolean(PROPERTY) ? thorough : always;
  }
}
