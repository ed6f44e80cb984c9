package dev.chaperone.decide;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/// One of the things that hold.
///
/// @param type CamelCase, one of a fixed set
/// @param name of the Hold, the expression or the budget; empty where there is only one
/// @param since absent: as soon as it is seen
/// @param until absent: nobody knows
record HoldReason(
    String type, String name, String message, @Nullable Instant since, @Nullable Instant until) {

  HoldReason(String type, String name, String message) {
    this(type, name, message, null, null);
  }

  HoldReason since(Instant time) {
    return new HoldReason(type, name, message, time, until);
  }

  String describe() {
    String from = since == null ? "" : "since " + since;
    String end = type.equals("Hold") ? "until it is deleted" : "";
    String to = until == null ? end : "until " + until;
    String when = from.isEmpty() || to.isEmpty() ? from + to : from + ", " + to;
    return when.isEmpty() ? message : message + " (" + when + ")";
  }
}
