package dev.chaperone.functions;

/// An event that means nothing, today and whenever it is sent again.
final class Malformed extends RuntimeException {
  Malformed(String message) {
    super(message);
  }
}
