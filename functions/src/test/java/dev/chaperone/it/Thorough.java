package dev.chaperone.it;

/// How much is tried: enough for every change, or all of it with `-Dchaperone.thorough=true`.
final class Thorough {
  /// The system property.
  static final String PROPERTY = "chaperone.thorough";

  private Thorough() {}

  static int times(int always, int thorough) {
    return Boolean.getBoolean(PROPERTY) ? thorough : always;
  }

  /// `-Dchaperone.seed`; else the same for every change, and another each time when all is tried.
  static long seed(long always) {
    return Long.getLong(
        "chaperone.seed", Boolean.getBoolean(PROPERTY) ? System.currentTimeMillis() : always);
  }
}
