package dev.chaperone.lab.bench;

/// What was measured did not do the right thing, so it has no figure.
final class WrongResult extends RuntimeException {
  private static final long serialVersionUID = 1L;

  WrongResult(String what) {
    super(what);
  }

  static void unless(boolean right, String what) {
    if (!right) {
      throw new WrongResult(what);
    }
  }
}
