package dev.chaperone.decide;

/// How a write failed, as far as it makes a difference to what follows.
public enum WriteFailure {
  /// There is no such object, or no longer.
  NOT_FOUND,

  /// The object exists already, or is not as it was when the change was decided.
  CONFLICT,

  /// What the API server says no to today and tomorrow: a spec it finds invalid, a right that is
  /// missing.
  REJECTED,

  /// Anything else, a write without an answer included: the same may succeed a moment later.
  TRANSIENT;

  /// What the answer to a write says.
  ///
  /// @param code the HTTP status; none that there is: there was no answer
  public static WriteFailure of(int code) {
    return switch (code) {
      case 404 -> NOT_FOUND;
      case 409 -> CONFLICT;
      case 400, 403, 422 -> REJECTED;
      default -> TRANSIENT;
    };
  }
}
