package dev.chaperone.telemetry;

/// A part of the work on an event, as a trace shows it. Ends when it is closed, on the thread that
/// began it.
public interface Span extends AutoCloseable {
  /// Where nobody collects spans.
  Span NONE = new Span() {};

  /// Says more about it.
  default Span with(String key, String value) {
    return this;
  }

  default Span with(String key, long value) {
    return this;
  }

  /// It did not work out.
  default void failed(Throwable cause) {}

  /// Of the whole trace, for the log; empty where there is none.
  default String traceId() {
    return "";
  }

  @Override
  default void close() {}
}
