package dev.chaperone.cluster;

/// Somebody else wrote first: what was decided rests on old facts and is to be decided anew.
public final class LostRace extends Exception {
  LostRace(String message) {
    super(message);
  }

  LostRace(String message, Throwable cause) {
    super(message, cause);
  }
}
