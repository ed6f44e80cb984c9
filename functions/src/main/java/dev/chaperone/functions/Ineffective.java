package dev.chaperone.functions;

/// An event that asks for something which has no effect, now and when it is sent again, although
/// nothing is wrong with the event.
final class Ineffective extends RuntimeException {
  Ineffective(String message) {
    super(message);
  }
}
