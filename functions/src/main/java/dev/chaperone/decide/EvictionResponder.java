package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.Pod;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What Chaperone answers an Eviction of a guard as its responder: why the node may not be drained
/// and until when, for as long as that is so; then that it is done, and the next responder asks the
/// budget.
///
/// The answer keeps nobody from anything: the budget does.
final class EvictionResponder {
  /// The API takes a responder for gone after 20 minutes, and asks for more than 20 seconds between
  /// two heartbeats.
  private static final Duration HEARTBEAT = Duration.ofMinutes(3);

  /// The API refuses an end that is 10 years away.
  private static final Duration FORESEEABLE = Duration.ofDays(3600);

  private EvictionResponder() {}

  /// What there is to say about the drain of one node.
  ///
  /// @param waits whether anything is to block it but what a budget counts
  /// @param blocks whether the eviction of its guard is refused now
  /// @param until when the last of what blocks ends; absent: nobody knows
  record Answer(boolean waits, boolean blocks, String message, @Nullable Instant until) {}

  /// @param about what there is to say of a guard, and of its node by its name
  static List<Change> changes(Snapshot seen, BiFunction<Pod, String, Answer> about) {
    return seen.evictions().waiting(seen.ref()).stream()
        .flatMap(
            it -> {
              Map<String, Object> entry = entry(seen, it, about);
              return entry.equals(it.entry())
                  ? Stream.<Change>empty()
                  : Stream.of(new Change.Respond(it.object(), it.index(), entry));
            })
        .toList();
  }

  private static Map<String, Object> entry(
      Snapshot seen, Evictions.Waiting eviction, BiFunction<Pod, String, Answer> about) {
    String node = Roster.nodeOf(eviction.guard());
    if (node == null) {
      return completed(seen, eviction, seen.ref() + " has this guard on no node");
    }
    Answer answer = about.apply(eviction.guard(), node);
    return answer.waits
        ? waiting(seen, eviction, words(seen.ref(), node, answer), answer.until)
        : completed(
            seen,
            eviction,
            "%s leaves the drain of node %s to its budget: %s"
                .formatted(seen.ref(), node, answer.message));
  }

  private static String words(CompanionRef companion, String node, Answer answer) {
    return answer.blocks
        ? DrainBlocked.words(companion, node, answer.message)
        : "Companion %s is to block the drain of node %s, and does not now: %s"
            .formatted(companion, node, answer.message);
  }

  private static Map<String, Object> waiting(
      Snapshot seen, Evictions.Waiting eviction, String message, @Nullable Instant until) {
    Instant now = notBefore(eviction, seen.now());
    Map<String, Object> entry = new TreeMap<>(eviction.entry());
    if (time(eviction, "heartbeatTime").filter(it -> it.plus(HEARTBEAT).isAfter(now)).isEmpty()) {
      entry.put("heartbeatTime", now.toString());
    }
    entry.put("message", Conditions.cut(message));
    entry.remove("expectedCompletionTime");
    if (until != null && until.isAfter(now) && until.isBefore(now.plus(FORESEEABLE))) {
      entry.put("expectedCompletionTime", until.truncatedTo(ChronoUnit.SECONDS).toString());
    }
    return entry;
  }

  private static Map<String, Object> completed(
      Snapshot seen, Evictions.Waiting eviction, String message) {
    Map<String, Object> entry = new TreeMap<>(eviction.entry());
    entry.put("completionTime", notBefore(eviction, seen.now()).toString());
    entry.put("message", Conditions.cut("Companion " + message));
    entry.remove("expectedCompletionTime");
    return entry;
  }

  /// Other clocks may be a little ahead, and the API refuses what goes back.
  private static Instant notBefore(Evictions.Waiting eviction, Instant now) {
    return Stream.of(time(eviction, "startTime"), time(eviction, "heartbeatTime"))
        .flatMap(Optional::stream)
        .reduce(
            now.truncatedTo(ChronoUnit.SECONDS), (one, other) -> one.isAfter(other) ? one : other);
  }

  private static Optional<Instant> time(Evictions.Waiting eviction, String field) {
    return Times.parse(eviction.text(field));
  }
}
