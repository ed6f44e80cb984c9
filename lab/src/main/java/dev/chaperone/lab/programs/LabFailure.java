package dev.chaperone.lab.programs;

/// Something of the lab itself did not work; the message says what, and where its log is.
public final class LabFailure extends RuntimeException {
  public LabFailure(String message) {
    super(message);
  }

  public LabFailure(String message, Throwable cause) {
    super(message, cause);
  }
}
