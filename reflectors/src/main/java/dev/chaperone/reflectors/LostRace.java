package dev.chaperone.reflectors;

/// Somebody else wrote first: what was decided rests on old facts and is to be decided anew.
final class LostRace extends Exception {
  LostRace(String message, Throwable cause) {
    super(message, cause);
  }
}
