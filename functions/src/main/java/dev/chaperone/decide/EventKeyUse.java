package dev.chaperone.decide;

import dev.chaperone.api.EventKey;
import dev.chaperone.api.EventKeySpec;
import dev.chaperone.api.EventKeySpec.Permission;
import dev.chaperone.api.EventKeyStatus;
import dev.chaperone.api.EventKeyStatus.Accepted;
import dev.chaperone.decide.HoldRequest.SignedBy;
import dev.chaperone.decide.SignalEvent.Ask;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// What an event asks for that is signed with a key: whether the key may, and whether the event is
/// the newest of its Hold.
///
/// The status of the key keeps the newest event of each Hold, before what it asks for is done. So
/// an event that comes again, or after a newer one, does nothing, also with another process; and
/// one that was being done when a process ended is done when it is sent again.
public final class EventKeyUse {
  /// How old an event may be. Longer than Knative sends one again.
  public static final Duration WINDOW = Duration.ofMinutes(10);

  /// Clocks differ: how far ahead of ours the sender's may be.
  public static final Duration AHEAD = Duration.ofMinutes(1);

  /// Longer than an event is accepted by the clock of any process.
  private static final Duration KEPT = WINDOW.multipliedBy(2);

  /// So that the object stays small.
  private static final int MOST_KEPT = 200;

  private final EventKey key;
  private final Ask ask;
  private final SignedBy event;

  /// @param ask its request says who signed the event, with this key
  public EventKeyUse(EventKey key, Ask ask, SignedBy event) {
    this.key = key;
    this.ask = ask;
    this.event = event;
  }

  /// Whether an event of this time may be accepted at all.
  public static boolean isInTime(Instant time, Instant now) {
    return time.isAfter(now.minus(WINDOW)) && time.isBefore(now.plus(AHEAD));
  }

  /// Why the key may not ask for this, for people; empty: it may.
  public Optional<String> whyForbidden(Instant now) {
    EventKeySpec spec = key.getSpec();
    HoldRequest request = ask.request();
    String namespace = key.getMetadata().getNamespace();
    Permission asked = isRelease() ? Permission.Release : Permission.Hold;
    if (hasEnded(now)) {
      return Optional.of("it ended at " + spec.notAfter());
    }
    if (event.time().isBefore(Instant.parse(key.getMetadata().getCreationTimestamp()))) {
      return Optional.of("it is newer than the event");
    }
    if (!spec.sources().contains(request.source())) {
      return Optional.of("it has no source " + request.source());
    }
    if (!request.companion().namespace().equals(namespace)
        || !spec.companions().contains(request.companion().name())) {
      return Optional.of("it has no Companion " + request.companion());
    }
    if (!spec.may().contains(asked)) {
      return Optional.of("it may not " + asked);
    }
    if (ask instanceof Ask.ToHold(_, _, _, Optional<Duration> ttl)
        && ttl.filter(it -> it.compareTo(longest()) <= 0).isEmpty()) {
      return Optional.of("a hold needs a ttl of at most " + spec.maxHoldDuration());
    }
    return Optional.empty();
  }

  private boolean hasEnded(Instant now) {
    String end = key.getSpec().notAfter();
    return end != null && Times.parse(end).filter(now::isBefore).isEmpty();
  }

  private Duration longest() {
    try {
      return Durations.parse(key.getSpec().maxHoldDuration()).orElse(Duration.ZERO);
    } catch (DateTimeException unreadable) {
      return Duration.ZERO;
    }
  }

  private boolean isRelease() {
    return ask instanceof Ask.ToRelease;
  }

  /// What is to become of an event.
  public sealed interface Claim {
    /// It is to be done, once the key has this status.
    ///
    /// @param status empty: it has
    record ToDo(Optional<EventKeyStatus> status) implements Claim {}

    /// It was done before.
    record Done() implements Claim {}

    /// There was a newer one.
    record Late(Accepted newer) implements Claim {}

    /// The key has asked for too much within a short time.
    record TooMuch() implements Claim {}
  }

  /// What is to become of the event, by what is known of earlier ones.
  public Claim claim(Instant now) {
    Optional<Accepted> last = last();
    if (last.filter(this::isThisEvent).isPresent()) {
      return last.get().done() ? new Claim.Done() : new Claim.ToDo(Optional.empty());
    }
    if (last.filter(it -> !isOlder(it)).isPresent()) {
      return new Claim.Late(last.get());
    }
    List<Accepted> kept = others(now);
    if (kept.size() >= MOST_KEPT) {
      return new Claim.TooMuch();
    }
    return new Claim.ToDo(Optional.of(with(kept, false)));
  }

  /// How the work on an event ends.
  public sealed interface Finish {
    /// It was done, once the key has this status.
    record Done(EventKeyStatus status) implements Finish {}

    /// A newer event came meanwhile.
    ///
    /// @param release whether that releases
    record Overtaken(boolean release) implements Finish {}
  }

  /// How the work ends that the event asks for, now that it is done.
  public Finish finish(Instant now) {
    Optional<Accepted> newer = last().filter(it -> !isThisEvent(it));
    return newer.isPresent()
        ? new Finish.Overtaken(newer.get().release())
        : new Finish.Done(with(others(now), true));
  }

  private EventKeyStatus with(List<Accepted> others, boolean done) {
    List<Accepted> all = new ArrayList<>(others);
    all.add(
        new Accepted(
            ask.request().holdName(), event.time().toString(), event.id(), isRelease(), done));
    return new EventKeyStatus(all);
  }

  private Optional<Accepted> last() {
    return all().stream().filter(it -> it.hold().equals(ask.request().holdName())).findFirst();
  }

  private List<Accepted> others(Instant now) {
    return all().stream()
        .filter(it -> !it.hold().equals(ask.request().holdName()))
        .filter(it -> Times.parse(it.time()).filter(now.minus(KEPT)::isAfter).isEmpty())
        .toList();
  }

  private List<Accepted> all() {
    return Optional.ofNullable(key.getStatus()).map(EventKeyStatus::accepted).orElse(List.of());
  }

  private boolean isThisEvent(Accepted other) {
    return other.id().equals(event.id()) && other.time().equals(event.time().toString());
  }

  /// One whose time cannot be read is as new as can be.
  private boolean isOlder(Accepted other) {
    return Times.parse(other.time()).filter(event.time()::isAfter).isPresent();
  }
}
