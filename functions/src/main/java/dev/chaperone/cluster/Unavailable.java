package dev.chaperone.cluster;

/// The API server did not answer, or not in time. Nothing that was written is wrong; the same event
/// later finishes it.
public final class Unavailable extends RuntimeException {
  public Unavailable(String message, Throwable cause) {
    super(message, cause);
  }

  public Unavailable(String message) {
    super(message);
  }
}
