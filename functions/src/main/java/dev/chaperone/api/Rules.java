package dev.chaperone.api;

/// What rules of several fields have in common, in CEL, to be written after the name of the field.
final class Rules {
  /// A duration in hours, minutes and seconds. It may be zero.
  static final String IS_DURATION = ".matches('^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$')";

  /// Of a duration: greater than zero.
  static final String IS_POSITIVE = ".matches('[1-9]')";

  /// RFC 3339, with seconds and a zone, of a date that may not exist.
  static final String IS_TIME =
      ".matches('^[0-9]{4}-(0[1-9]|1[0-2])-"
          + "(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
          + "([.][0-9]{1,9})?(Z|[+-]((0[0-9]|1[0-7]):[0-5][0-9]|18:00))$')";

  /// What CEL's `timestamp` can be asked about without an error of its own.
  static final String LOOKS_LIKE_TIME =
      ".matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:"
          + "[0-9]{2}:[0-9]{2}([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$')";

  /// Of the key of a label.
  static final String IS_LABEL_KEY =
      ".matches('^([a-z0-9][-a-z0-9.]{0,252}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')";

  /// Of the value of a label.
  static final String IS_LABEL_VALUE =
      ".matches('^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$')";

  private Rules() {}
}
