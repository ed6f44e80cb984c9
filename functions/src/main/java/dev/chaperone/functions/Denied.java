package dev.chaperone.functions;

/// An event from somebody who may not do what it asks for, today and whenever it is sent again.
final class Denied extends RuntimeException {
  private static final int UNAUTHORIZED = 401;
  private static final int FORBIDDEN = 403;

  private final int status;

  private Denied(int status, String message) {
    super(message);
    this.status = status;
  }

  /// Nobody knows who it is.
  static Denied unknown(String message) {
    return new Denied(UNAUTHORIZED, message);
  }

  /// It is known who it is.
  static Denied forbidden(String message) {
    return new Denied(FORBIDDEN, message);
  }

  /// 401 or 403.
  int status() {
    return status;
  }
}
